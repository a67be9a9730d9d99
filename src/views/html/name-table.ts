/** Texts by number: each once. */
import { foreignText } from "../../base/foreign-text.ts";
import { pageLimits } from "./limits.ts";
import type { TaskHead } from "./page-data.ts";

export class NameTable {
  readonly names: string[] = [];
  readonly #numbers = new Map<string, number>();

  /** `name`: foreign. Of too many the last stands for the others. */
  numberOf(name: string): number {
    let number = this.#numbers.get(name);
    if (number === undefined) {
      if (this.names.length >= pageLimits.names) return pageLimits.names - 1;
      number = this.names.push(foreignText(name)) - 1;
      this.#numbers.set(name, number);
    }
    return number;
  }
}

/** The tasks of a machine. A pid that is used again, or a task with a new name, is another one. */
export class TaskList {
  readonly #tasks: { pid: number; name: string }[] = [];
  /** By pid the last one. */
  readonly #numbers = new Map<number, number>();
  readonly #nameOf: (pid: number) => string;
  readonly #isKnown: (pid: number) => boolean;

  /** The present name of a task, foreign, and whether it is one. */
  constructor(nameOf: (pid: number) => string, isKnown: (pid: number) => boolean) {
    this.#nameOf = nameOf;
    this.#isKnown = isKnown;
  }

  numberOf(pid: number): number {
    const number = this.#numbers.get(pid);
    const task = number === undefined ? undefined : this.#tasks[number];
    if (number !== undefined && task !== undefined) {
      if (!this.#isKnown(pid)) return number;
      const name = this.#nameOf(pid);
      if (task.name === name) return number;
      if (task.name === "") {
        task.name = name;
        return number;
      }
    }
    if (this.#tasks.length >= pageLimits.tasks) return number ?? 0;
    const added = this.#tasks.push({ pid, name: this.#isKnown(pid) ? this.#nameOf(pid) : "" }) - 1;
    this.#numbers.set(pid, added);
    return added;
  }

  /** A task that got its name later has that. */
  get heads(): TaskHead[] {
    return this.#tasks.map(({ pid, name }) => [pid, foreignText(pid === 0 ? "idle" : name || this.#nameOf(pid))]);
  }
}
