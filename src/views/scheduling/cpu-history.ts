/** The last slices of a CPU, the oldest overwritten by the newest: what ran while a task waited. */
const atFirst = 32;

export class CpuHistory {
  readonly #most: number;
  #starts = new Float64Array(atFirst);
  #ends = new Float64Array(atFirst);
  #pids = new Int32Array(atFirst);
  #prios = new Int32Array(atFirst);
  /** Of all that were added the number; the newest lies at `#added - 1`, modulo the size. */
  #added = 0;
  /** Slices before it are overwritten. */
  #oldest = 0;

  /** `most`: slices kept. */
  constructor(most: number) {
    this.#most = Math.max(atFirst, most);
  }

  add(pid: number, prio: number, start: number, end: number): void {
    if (this.#added - this.#oldest >= this.#starts.length) {
      if (this.#starts.length < this.#most) this.#grow();
      else this.#oldest++;
    }
    const at = this.#added++ % this.#starts.length;
    this.#starts[at] = start;
    this.#ends[at] = end;
    this.#pids[at] = pid;
    this.#prios[at] = prio;
  }

  /** Those that the newest one encloses are not kept beside it. */
  dropSince(start: number): void {
    while (this.#added > this.#oldest && (this.#starts[(this.#added - 1) % this.#starts.length] ?? 0) >= start)
      this.#added--;
  }

  /** What lies between two times, the newest first. False if older slices of that time are not kept any more. */
  forEachIn(from: number, to: number, take: (ns: number, pid: number, prio: number) => void): boolean {
    const size = this.#starts.length;
    for (let place = this.#added - 1; place >= this.#oldest; place--) {
      const at = place % size;
      const end = this.#ends[at] ?? 0;
      if (end <= from) return true;
      const ns = Math.min(end, to) - Math.max(this.#starts[at] ?? 0, from);
      if (ns > 0) take(ns, this.#pids[at] ?? 0, this.#prios[at] ?? 0);
    }
    return this.#oldest === 0;
  }

  /** Nothing is overwritten before it has its full size: all stays where it is. */
  #grow(): void {
    const larger = Math.min(this.#most, this.#starts.length * 2);
    const moved = <T extends Float64Array | Int32Array>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    this.#starts = moved(this.#starts, new Float64Array(larger));
    this.#ends = moved(this.#ends, new Float64Array(larger));
    this.#pids = moved(this.#pids, new Int32Array(larger));
    this.#prios = moved(this.#prios, new Int32Array(larger));
  }
}
