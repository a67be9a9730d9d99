/** The part of the recording's time that is in view. */

/** The shortest: half a nanosecond more would be between two. */
const leastNs = 50;

export class TimeWindow {
  readonly first: number;
  readonly last: number;
  from: number;
  to: number;
  readonly #changed: () => void;

  constructor(first: number, last: number, changed: () => void) {
    this.first = first;
    this.last = Math.max(last, first + leastNs);
    this.from = this.first;
    this.to = this.last;
    this.#changed = changed;
  }

  get span(): number {
    return this.to - this.from;
  }

  get isWhole(): boolean {
    return this.from <= this.first && this.to >= this.last;
  }

  show(from: number, to: number): void {
    const whole = this.last - this.first;
    const span = Math.min(whole, Math.max(leastNs, to - from));
    const start = Math.min(Math.max(this.first, (from + to - span) / 2), this.last - span);
    this.from = start;
    this.to = start + span;
    this.#changed();
  }

  /** `factor` below 1 shows less time; the time `at` stays where it is. */
  zoom(factor: number, at = (this.from + this.to) / 2): void {
    const span = Math.min(this.last - this.first, Math.max(leastNs, this.span * factor));
    const from = at - (at - this.from) * (span / this.span);
    this.show(from, from + span);
  }

  pan(ns: number): void {
    const { from, span } = this;
    const start = Math.min(Math.max(this.first, from + ns), this.last - span);
    this.show(start, start + span);
  }

  showWhole(): void {
    this.show(this.first, this.last);
  }

  /** With room around it. */
  showAround(from: number, to: number): void {
    const room = Math.max(to - from, leastNs) * 0.3;
    this.show(from - room, to + room);
  }
}
