/** What of a machine's ring belongs to a snapshot. */
import { clockOf, countsNanoseconds, isTimeOfDay } from "../../tracefs/trace-clocks.ts";
import { type EraOfPlan, erasOfPlan } from "./eras-of-plan.ts";
import type { MachineStream } from "./machine-stream.ts";
import type { Positions } from "./positions.ts";
import type { RingSteps } from "./ring-steps.ts";
import type { SegmentPlan } from "./segment-plan.ts";
import { bytesOf } from "./segment-store.ts";

const nsOfMs = 1_000_000n;

/** By the machine's clock from `lastMs` before a time to `afterMs` after it; held. Undefined where there is none. */
export function partOfRing(
  stream: MachineStream,
  time: bigint | undefined,
  about: { lastMs: number; afterMs: number },
  steps: Pick<RingSteps, "oldest" | "windowOf">,
): { eras: EraOfPlan[]; times: SegmentPlan["times"] } | undefined {
  const { told } = stream;
  const { oldest } = steps;
  const stepped = erasOfPlan(stream, oldest, told, steps.windowOf);
  // Times of before and after a step tell nothing of each other: then it is all of the ring.
  const isStepped = stepped.length > 1;
  const times = isStepped ? { from: undefined, to: undefined } : timesAbout(stream, time, about);
  const from =
    times.from === undefined ? oldest : oneEarlier(stream.after(times.from, oldest), oldest, stream.layout.sizeBytes);
  const to = times.to === undefined ? told : stream.after(times.to, from);
  if (bytesOf({ from, to }) === 0) return undefined;
  stream.hold(from, to);
  return { eras: isStepped ? stepped : erasOfPlan(stream, from, to, steps.windowOf), times };
}

function timesAbout(
  stream: MachineStream,
  time: bigint | undefined,
  { lastMs, afterMs }: { lastMs: number; afterMs: number },
): SegmentPlan["times"] {
  const clock = clockOf(stream.metadata ?? {});
  if (time === undefined || !countsNanoseconds(clock) || isTimeOfDay(clock)) return { from: undefined, to: undefined };
  return { from: time - BigInt(Math.round(lastMs)) * nsOfMs, to: time + BigInt(Math.round(afterMs)) * nsOfMs };
}

/** A sub-buffer that begins before a time may hold events of after it. */
function oneEarlier(positions: Positions, oldest: Positions, subBufferBytes: number): Positions {
  return new Map([...positions].map(([cpu, at]) => [cpu, Math.max(oldest.get(cpu) ?? 0, at - subBufferBytes)]));
}
