/**
 * When events began to be lost, on any CPU: what a task did is known up to the next such time, since what was lost may have been
 * its own.
 */
import { schedulingLimits } from "./limits.ts";

export class LossEras {
  /** Number of losses so far. */
  era = 0;
  /** CPUs of which the events that follow a loss did not come yet. */
  open = 0;
  readonly #ends: number[] = [];

  begin(stamp: number): void {
    this.#ends[this.era % schedulingLimits.lossTimes] = stamp;
    this.era++;
    this.open++;
  }

  end(): void {
    this.open--;
  }

  /** The era of what is seen now: -1 while events are lost. */
  get now(): number {
    return this.open === 0 ? this.era : -1;
  }

  /** What was seen in an era is still known. */
  isNow(era: number): boolean {
    return era === this.era && this.open === 0;
  }

  /** Up to when a state of an era was known, at most `stamp`; undefined if nobody knows any more. */
  endOf(era: number, stamp: number): number | undefined {
    if (era === this.era) return stamp;
    if (era < 0 || this.era - era > schedulingLimits.lossTimes) return undefined;
    return this.#ends[era % schedulingLimits.lossTimes];
  }
}
