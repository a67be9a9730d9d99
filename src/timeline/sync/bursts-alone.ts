/** A guest's place where no host was recorded with it: on the clock of the machine that recorded it, by round trips alone. */
import type { TimeSample } from "../../events/trace-metadata.ts";
import { halfWidth, middle } from "./interval.ts";
import { largest } from "./knots.ts";
import type { KnownOffset } from "./synchronise.ts";

export function placeByBursts({ range, guestEpoch, steps = [], at = [0] }: KnownOffset): {
  samples: TimeSample[];
  boundNs: number;
} {
  const jumps = steps.flatMap(({ from, to }) => [Math.floor((from + to) / 2) - 1, Math.floor((from + to) / 2) + 1]);
  const times = [...at, ...jumps].sort((a, b) => a - b);
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
