/** What is known of a guest's offset from the bursts that its spool holds. */
import type { ClockBurst, ReadableClock } from "../../trace-dat/spool/clock-bursts.ts";
import { timelineLimits } from "../limits.ts";
import { erasOf, type Step } from "./eras.ts";
import { isEmpty } from "./interval.ts";
import { otherBetween, rangeBetween } from "./known-range.ts";
import type { Burst } from "./round-trips.ts";
import type { KnownOffset } from "./synchronise.ts";

/** Of the guest's clock. `step`: the one with which it begins; `index`: of its first burst. */
export type KnownEra = {
  readonly known: KnownOffset;
  readonly step: Step<bigint> | undefined;
  readonly index: number;
};

/** Undefined where no burst tells anything. `hostClock`: the clock of the host's recording. */
export function knownFromBursts(spooled: readonly ClockBurst[], hostClock: ReadableClock): KnownOffset | undefined {
  const guestEpoch = spooled[0]?.at ?? 0n;
  const bursts = burstsOf(spooled, hostClock, guestEpoch);
  if (bursts.every(({ offset }) => isEmpty(offset))) return undefined;
  return knownOf(bursts, guestEpoch, wanderOf(spooled, hostClock));
}

/** Whether the clock stepped between them: to know no more than that is less work, at each cut. */
export function haveSteps(spooled: readonly ClockBurst[], hostClock: ReadableClock): boolean {
  const bursts = burstsOf(spooled, hostClock, spooled[0]?.at ?? 0n);
  return erasOf(bursts, wanderOf(spooled, hostClock)).steps.length > 0;
}

/** The same of each era by itself, one after the other; none where no burst tells anything. */
export function knownEras(spooled: readonly ClockBurst[], hostClock: ReadableClock): KnownEra[] {
  const guestEpoch = spooled[0]?.at ?? 0n;
  const wanderPpm = wanderOf(spooled, hostClock);
  const { eras, steps } = erasOf(burstsOf(spooled, hostClock, guestEpoch), wanderPpm);
  return eras.map(({ bursts, index }, era) => {
    const step = steps[era - 1];
    const absolute = (time: number): bigint => guestEpoch + BigInt(Math.round(time));
    return {
      index,
      known: knownOf(bursts, guestEpoch, wanderPpm),
      step: step && { from: absolute(step.from), to: absolute(step.to), by: step.by },
    };
  });
}

function burstsOf(spooled: readonly ClockBurst[], hostClock: ReadableClock, guestEpoch: bigint): Burst[] {
  return spooled.map(({ at, rounds, offsets }): Burst => {
    const { low, high } = offsets[hostClock];
    return { at: Number(at - guestEpoch), offset: { low: Number(low), high: Number(high) }, rounds };
  });
}

function knownOf(bursts: readonly Burst[], guestEpoch: bigint, wanderPpm: number): KnownOffset {
  const found = erasOf(bursts, wanderPpm);
  return {
    range: rangeBetween(found, wanderPpm),
    other: otherBetween(found),
    steps: found.steps,
    guestEpoch,
    at: bursts.map(({ at }) => at),
  };
}

/** How much the drift may change between two such clocks. */
function wanderOf(spooled: readonly ClockBurst[], hostClock: ReadableClock): number {
  const isSteady = hostClock === "mono_raw" && spooled.every(({ clock }) => clock === "mono_raw");
  return isSteady ? timelineLimits.syncWanderPpm : timelineLimits.syncDriftPpm;
}
