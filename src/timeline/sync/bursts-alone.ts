/** A guest's place where no host was recorded with it: on the clock of the machine that recorded it, by round trips alone. */
import type { TimeSample } from "../../events/trace-metadata.ts";
import { halfWidth, middle } from "./interval.ts";
import { largest } from "./knots.ts";
import type { KnownOffset } from "./synchronise.ts";

export type EventSpan = { readonly first?: bigint | undefined; readonly last?: bigint | undefined };

/** `span`: from when to when it has events, of its own clock, which may be before and after all round trips; undefined: it does not matter. */
export function placeByBursts(
  { range, guestEpoch, steps = [], at = [0] }: KnownOffset,
  span: EventSpan = {},
): {
  samples: TimeSample[];
  boundNs: number;
} {
  const jumps = steps.flatMap(({ from, to }) => [Math.floor((from + to) / 2) - 1, Math.floor((from + to) / 2) + 1]);
  const [begin = 0, end = begin] = [at[0], at.at(-1)];
  const relative = (time: bigint | undefined, other: number): number =>
    time === undefined ? other : Number(time - guestEpoch);
  const ends = [Math.min(begin, relative(span.first, begin)), Math.max(end, relative(span.last, end))];
  const times = [...new Set([...at, ...jumps, ...ends])].sort((a, b) => a - b);
  // Furthest from its two bursts it is known least.
  const betweens = times.slice(1).flatMap((time, index) => {
    const before = times[index] ?? time;
    const half = before + (time - before) / 2;
    if (steps.some(({ from, to }) => half >= from && half <= to)) return [];
    const line = (middle(range(before)) + middle(range(time))) / 2;
    const { low, high } = range(half);
    return Math.max(line - low, high - line);
  });
  return {
    samples: times.map((time) => ({
      time: guestEpoch + BigInt(Math.round(time)),
      offset: BigInt(Math.round(middle(range(time)))),
      scaling: 1n,
      fractionBits: 0n,
    })),
    boundNs: largest([...times.map((time) => halfWidth(range(time))), ...betweens]),
  };
}
