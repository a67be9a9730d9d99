/** Names of tasks by pid: those that were recorded, and those that events tell later of tasks without one. */
import { type ByteWriter, constant } from "./byte-writer.ts";

const unknown = constant("<...>");
const idle = constant("<idle>");
const pidWidth = 5;
const nameWidth = 16;
/** A task name has 16 bytes in the kernel, with its NUL; workers' longer ones are cut here as there. */
const nameMostBytes = 64;
const namesMost = 1_000_000;

export class TaskNames {
  readonly #names = new Map<number, Uint8Array>();
  /** `            bash-1234  ` per pid, as every line begins. */
  readonly #columns = new Map<number, Uint8Array>();

  /** saved_cmdlines: "PID NAME" lines. */
  constructor(savedCommands: string) {
    this.takeSaved(savedCommands);
  }

  /** saved_cmdlines of now: its names take the place of those known. */
  takeSaved(savedCommands: string): void {
    for (const line of savedCommands.split("\n")) {
      const [, pid, name] = /^\s*(\d{1,10}) (.*)$/.exec(line) ?? [];
      if (pid === undefined || this.#names.size >= namesMost) continue;
      this.#names.set(Number(pid), constant((name ?? "").slice(0, nameMostBytes)));
      this.#columns.delete(Number(pid));
    }
  }

  get(pid: number): Uint8Array {
    return pid === 0 ? idle : (this.#names.get(pid) ?? unknown);
  }

  has(pid: number): boolean {
    return this.#names.has(pid);
  }

  text(pid: number): string {
    return Buffer.from(this.get(pid)).toString("latin1");
  }

  /** Takes the name of a task that has none yet, up to its NUL. */
  learn(pid: number, bytes: Uint8Array, offset: number, size: number): void {
    if (pid === 0 || this.#names.has(pid) || this.#names.size >= namesMost) return;
    let length = 0;
    while (length < size && length < nameMostBytes && bytes[offset + length] !== 0) length++;
    this.#names.set(pid, bytes.slice(offset, offset + length));
    this.#columns.delete(pid);
  }

  /** Takes the name that a task has now, up to its NUL: a live one changes it with exec. */
  rename(pid: number, bytes: Uint8Array, offset: number, size: number): void {
    const known = this.#names.get(pid);
    if (known !== undefined) {
      let same = 0;
      while (same < known.length && known[same] === bytes[offset + same]) same++;
      if (same === known.length && (same >= size || bytes[offset + same] === 0)) return;
      this.#names.delete(pid);
    }
    this.learn(pid, bytes, offset, size);
  }

  writeColumns(out: ByteWriter, pid: number): void {
    let columns = this.#columns.get(pid);
    if (columns === undefined) {
      const text = `${this.text(pid).padStart(nameWidth)}-${String(pid).padEnd(pidWidth)} `;
      columns = constant(text);
      if (this.#columns.size < namesMost) this.#columns.set(pid, columns);
    }
    out.put(columns);
  }
}
