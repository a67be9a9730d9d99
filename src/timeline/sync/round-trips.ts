/**
 * What round trips on the control port tell of the offset between two clocks, host time minus guest time.
 *
 * The host stamps before it sends and after it has the answer; the guest stamps when it reads and before it answers. A message
 * is never read before it was sent: each round trip bounds the offset from both sides, whatever the load. Bounds of one burst
 * are intersected, never averaged: a slow round trip makes no bound wrong, only wide.
 */
import { type Interval, intersection, middle } from "./interval.ts";

/** Four stamps in ns: the host's relative to one epoch, the guest's to another. */
export type RoundTrip = {
  readonly hostSent: number;
  readonly guestRead: number;
  readonly guestSent: number;
  readonly hostRead: number;
};

/** What the round trips of one burst tell. `offset` is empty where a clock stepped within the burst. */
export type Burst = {
  /** Middle of the burst, of the guest's clock. */
  readonly at: number;
  readonly offset: Interval;
  readonly rounds: number;
};

function offsetOf({ hostSent, guestRead, guestSent, hostRead }: RoundTrip): Interval {
  return { low: hostSent - guestRead, high: hostRead - guestSent };
}

/** Undefined for none. */
export function burstOf(roundTrips: readonly RoundTrip[]): Burst | undefined {
  const [first] = roundTrips;
  const last = roundTrips.at(-1);
  if (first === undefined || last === undefined) return undefined;
  return {
    at: middle({ low: first.guestRead, high: last.guestSent }),
    offset: roundTrips.map(offsetOf).reduce(intersection),
    rounds: roundTrips.length,
  };
}
