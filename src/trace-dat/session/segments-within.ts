/** Which segments of a recording may have events of a range of times, so that the others need not be opened. */
import { countsNanoseconds, isTimeOfDay, shownInSeconds } from "../../tracefs/trace-clocks.ts";
import type { SessionMachine, SessionRecording } from "./session-file.ts";

/** In ns, as they are shown; undefined: no end on that side. */
export type ShownTimes = { readonly from: bigint | undefined; readonly to: bigint | undefined };

/** `file`: where it lies. */
export type Segment = Pick<SessionRecording, "file" | "clock" | "first" | "last" | "offsetNs" | "boundNs">;

/** Beside the bound of a guest's offset, what a later look at its clock may find: the drift of two clocks is 500 ppm at most (ntpd's bound). */
const marginNs = 1_000_000_000n;
const driftPart = 2_000n;

/**
 * The files of those within the range and of one more on either side, which tell how the clock went; in any case the last, which has what is
 * told of all. One of which it is not known how its times are shown is within any range. Where none is within, the first too: it tells when the
 * recording begins.
 */
export function segmentsWithin(
  segments: readonly Segment[],
  kind: SessionMachine["kind"],
  { from, to }: ShownTimes,
): string[] {
  const within = segments.map((segment) => {
    const times = shownTimes(segment, kind);
    if (times === undefined) return true;
    return (to === undefined || times.first <= to) && (from === undefined || times.last >= from);
  });
  if (!within.includes(true)) within[0] = true;
  return segments
    .filter(
      (_, index) =>
        [index - 1, index, index + 1].some((near) => within[near] === true) || index === segments.length - 1,
    )
    .map(({ file }) => file);
}

function shownTimes(
  { clock, first, last, offsetNs, boundNs = 0 }: Segment,
  kind: SessionMachine["kind"],
): { first: bigint; last: bigint } | undefined {
  if (clock === undefined || first === undefined || last === undefined) return undefined;
  if (!countsNanoseconds(clock) || !shownInSeconds(clock) || isTimeOfDay(clock)) return undefined;
  const [begin, end] = [BigInt(first), BigInt(last)];
  if (kind === "host") return { first: begin, last: end };
  if (offsetNs === undefined) return undefined;
  const margin = marginNs + BigInt(Math.ceil(boundNs)) + (end - begin) / driftPart;
  return { first: begin + BigInt(offsetNs) - margin, last: end + BigInt(offsetNs) + margin };
}
