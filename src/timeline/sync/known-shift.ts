/** What a recording's own TIME_SHIFT says of its offset, as what is known before it is placed again. */
import type { TraceMetadata } from "../../events/trace-metadata.ts";
import { MachineClock } from "../machine-clock.ts";
import type { KnownOffset } from "./synchronise.ts";

/** Undefined where it has none, or scales times. The CPUs' offsets are taken to be that of the first. */
export function knownShift({ timeShift, traceClock }: TraceMetadata, boundNs: number): KnownOffset | undefined {
  const samples = timeShift?.samples.find((ofCpu) => ofCpu.length > 0) ?? [];
  const [first] = samples;
  if (timeShift === undefined || first === undefined) return undefined;
  if (samples.some(({ scaling, fractionBits }) => scaling !== 1n || fractionBits !== 0n)) return undefined;
  const rules = { traceClock: traceClock ?? "", timeShift: { ...timeShift, samples: [samples] } };
  const guestEpoch = first.time;
  const convert = new MachineClock(rules, guestEpoch);
  const shiftedEpoch = Number(convert.epoch - guestEpoch);
  const converter = convert.converter(0);
  return {
    guestEpoch,
    range: (time) => {
      const stamp = Math.round(time);
      const offset = shiftedEpoch + (converter?.(stamp) ?? stamp) - stamp;
      return { low: offset - boundNs, high: offset + boundNs };
    },
  };
}
