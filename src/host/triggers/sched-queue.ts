/** What the scheduler did on one CPU, by time, in typed arrays: millions of entries make no garbage. */

/** Kinds of entries: `first` and `second` are what they tell of. */
export const Sched = {
  /** The task `first` leaves the CPU, `second` enters it. */
  switches: 0,
  /** The task `first` is woken, for the CPU `second`. */
  wakes: 1,
  /** From here on events are lost. */
  losing: 2,
  /** Until here. */
  lost: 3,
} as const;
export type Sched = (typeof Sched)[keyof typeof Sched];

const firstRoom = 1_024;
const fields = 3;

export class SchedQueue {
  readonly cpu: number;
  #times = new Float64Array(firstRoom);
  #entries = new Int32Array(firstRoom * fields);
  #head = 0;
  #tail = 0;

  constructor(cpu: number) {
    this.cpu = cpu;
  }

  get length(): number {
    return this.#tail - this.#head;
  }

  /** Of the first entry; Infinity where there is none. */
  get time(): number {
    return this.#head < this.#tail ? (this.#times[this.#head] ?? Infinity) : Infinity;
  }

  get kind(): number {
    return this.#entries[this.#head * fields] ?? 0;
  }

  get first(): number {
    return this.#entries[this.#head * fields + 1] ?? 0;
  }

  get second(): number {
    return this.#entries[this.#head * fields + 2] ?? 0;
  }

  push(time: number, kind: Sched, first: number, second: number): void {
    if (this.#tail === this.#times.length) this.#makeRoom();
    this.#times[this.#tail] = time;
    const at = this.#tail++ * fields;
    this.#entries[at] = kind;
    this.#entries[at + 1] = first;
    this.#entries[at + 2] = second;
  }

  shift(): void {
    this.#head++;
    if (this.#head === this.#tail) this.clear();
  }

  clear(): void {
    this.#head = 0;
    this.#tail = 0;
  }

  /** Moves the entries to the front, into larger arrays where they fill more than half of these. */
  #makeRoom(): void {
    const { length } = this;
    const isSmall = length * 2 > this.#times.length;
    const times = isSmall ? new Float64Array(this.#times.length * 2) : this.#times;
    const entries = isSmall ? new Int32Array(this.#entries.length * 2) : this.#entries;
    // subarray and set copy as memmove(3) does, also within one array.
    times.set(this.#times.subarray(this.#head, this.#tail));
    entries.set(this.#entries.subarray(this.#head * fields, this.#tail * fields));
    this.#times = times;
    this.#entries = entries;
    this.#head = 0;
    this.#tail = length;
  }
}
