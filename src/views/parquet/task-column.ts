/** A column of names of tasks, by their pids: the name that is known when the row is filled; null where none is. */
import type { TaskNames } from "../../events/task-names.ts";
import { TextColumn } from "./text-column.ts";

/** Tasks whose places are remembered, by the last bits of their pids. */
const remembered = 1024;

export class TaskColumn extends TextColumn {
  readonly #tasks: TaskNames;
  #pids = new Int32Array(1);
  #places = new Int32Array(1).fill(-1);
  /** Names have not changed since. */
  #changes = -1;

  constructor(name: string, tasks: TaskNames) {
    super(name);
    this.#tasks = tasks;
  }

  override clear(): void {
    super.clear();
    this.#places.fill(-1);
  }

  protected override resizeTo(capacity: number): void {
    super.resizeTo(capacity);
    const count = Math.min(remembered, capacity);
    if (this.#pids.length === count) return;
    this.#pids = new Int32Array(count);
    this.#places = new Int32Array(count).fill(-1);
  }

  setTask(row: number, pid: number): void {
    const at = pid & (this.#pids.length - 1);
    if (this.#changes !== this.#tasks.changes) this.#forget();
    const place = this.#places[at] ?? -1;
    if (place >= 0 && this.#pids[at] === pid) this.setPlace(row, place);
    else this.#find(row, pid, at);
  }

  #find(row: number, pid: number, at: number): void {
    const tasks = this.#tasks;
    const slot = tasks.slotOf(pid);
    // The slot of tasks without a name.
    if (slot === 0) this.setNull(row);
    else {
      this.set(row, tasks.bytes, tasks.offsetOf(slot), tasks.lengthOf(slot));
      this.#pids[at] = pid;
      this.#places[at] = this.values[row] ?? -1;
    }
    // To look for a name may have read it out of what was saved.
    this.#changes = tasks.changes;
  }

  #forget(): void {
    this.#places.fill(-1);
    this.#changes = this.#tasks.changes;
  }
}
