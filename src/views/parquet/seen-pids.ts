/** Pids whose first event of a CPU was seen, by their last bits: a later one changes nothing. */
const remembered = 4096;

export class SeenPids {
  readonly #pids = new Int32Array(remembered);

  /** Whether it was asked for already, or is none of a task; from now on it was. */
  has(pid: number): boolean {
    if (this.knows(pid)) return true;
    this.#pids[pid & (remembered - 1)] = pid;
    return false;
  }

  /** The same, and nothing changes. */
  knows(pid: number): boolean {
    return pid <= 0 || this.#pids[pid & (remembered - 1)] === pid;
  }
}
