/** When the thread of one vCPU had a CPU of the host: slices in order of time, ns of the host's clock. */
import { TimeList } from "./time-list.ts";

export class VcpuSlices {
  readonly begins = new TimeList();
  readonly ends = new TimeList();
  #open: number | undefined;
  /** All that ended or was lost is known up to here. */
  #last = -Infinity;
  /** Slices that end before are not kept. */
  keepFrom = -Infinity;

  /** The thread gets a CPU. */
  begin(time: number): void {
    // A begin without an end before it: the end was lost, and the thread may have run all the time.
    this.#open ??= time;
  }

  /** The thread leaves its CPU. Where its begin is not known it may have run since `knownSince`. */
  end(time: number, knownSince: number): void {
    this.add(this.#open ?? Math.max(knownSince, this.#last), time);
    this.#open = undefined;
  }

  /** Events of the host were lost from `from` to `to`: the thread may have run then. */
  mayHaveRun(from: number, to: number): void {
    if (this.#open === undefined) this.add(from, to);
  }

  /** A slice that is known whole. Slices that overlap or touch become one; they come in the order of their ends. */
  add(begin: number, end: number): void {
    const { begins, ends } = this;
    const before = ends.end - 1;
    if (end <= begin && end <= this.#last) return;
    if (end < this.keepFrom) {
      this.#last = Math.max(this.#last, end);
      return;
    }
    if (ends.length > 0 && begin <= (ends.values[before] ?? 0)) ends.values[before] = Math.max(end, this.#last);
    else {
      begins.push(begin);
      ends.push(end);
    }
    this.#last = Math.max(this.#last, end);
  }

  /** Has `use` see the slice that has not ended as one that lasts for ever. */
  withOpen<Result>(use: () => Result): Result {
    if (this.#open === undefined) return use();
    this.begins.push(this.#open);
    this.ends.push(Infinity);
    try {
      return use();
    } finally {
      this.begins.end--;
      this.ends.end--;
    }
  }

  /** Drops the slices that ended before `time`. */
  forget(time: number): void {
    const { begins, ends } = this;
    let count = 0;
    // The last one stays: a later slice may be joined to it.
    while (count < ends.length - 1 && (ends.values[ends.start + count] ?? 0) < time) count++;
    begins.drop(count);
    ends.drop(count);
  }
}
