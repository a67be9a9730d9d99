/** What is known of a guest's offset from the bursts that its spool holds. */
import type { ClockBurst, ReadableClock } from "../../trace-dat/spool/clock-bursts.ts";
import { timelineLimits } from "../limits.ts";
import { isEmpty } from "./interval.ts";
import { otherBetween, rangeBetween, stepsBetween } from "./known-range.ts";
import type { Burst } from "./round-trips.ts";
import type { KnownOffset } from "./synchronise.ts";

/** Undefined where no burst tells anything. `hostClock`: the clock of the host's recording. */
export function knownFromBursts(spooled: readonly ClockBurst[], hostClock: ReadableClock): KnownOffset | undefined {
  const guestEpoch = spooled[0]?.at ?? 0n;
  const bursts = spooled.map(({ at, rounds, offsets }): Burst => {
    const { low, high } = offsets[hostClock];
    return { at: Number(at - guestEpoch), offset: { low: Number(low), high: Number(high) }, rounds };
  });
  if (bursts.every(({ offset }) => isEmpty(offset))) return undefined;
  const isSteady = hostClock === "mono_raw" && spooled.every(({ clock }) => clock === "mono_raw");
  const wanderPpm = isSteady ? timelineLimits.syncWanderPpm : timelineLimits.syncDriftPpm;
  return {
    range: rangeBetween(bursts, wanderPpm),
    other: otherBetween(bursts),
    steps: stepsBetween(bursts),
    guestEpoch,
    at: bursts.map(({ at }) => at),
  };
}
