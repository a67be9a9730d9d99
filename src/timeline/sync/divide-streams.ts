/**
 * Divides the streams of a recording where its clock stepped. Where the clock was set back, time stamps of sub-buffers are earlier
 * than those before them: there. Else at a time between the bursts that tell of the step: where the clock was set forward no event
 * of any CPU has a time stamp of the time that was left out; and when the machine stood still its host may tell.
 */
import { SubBufferCursor, type SubBufferLayout } from "../../ring-buffer/sub-buffer.ts";
import { beforeTime, withoutPast } from "../../trace-dat/spool/past.ts";
import type { RecordedStream } from "../../trace-dat/write/recording.ts";
import { timesOf } from "../../trace-dat/write/stream-times.ts";
import { StreamFile } from "../../trace-dat/write/stream-file.ts";
import { timelineLimits } from "../limits.ts";
import type { Step } from "./eras.ts";
import { type Gap, hullOf, inBoth } from "./gaps.ts";

/**
 * `streams`: by era. `steps`: between them, known as well as the events tell. `times`: at which those CPUs were divided whose time stamps
 * do not go back there.
 */
export type Divided = {
  readonly parts: readonly RecordedStream[][];
  readonly steps: readonly Step<bigint>[];
  readonly times: readonly bigint[];
};

/** What is left of a CPU's stream; `back`: where, in its files, time stamps go back. `stamp`: of the sub-buffer before it, as far as known. */
type Rest = { stream: RecordedStream; readonly stamp: bigint | undefined; back: number[] };

/** By CPU, up to where in its stream all was before a step, and from where all is behind it. */
export type StepWindow = {
  readonly before: ReadonlyMap<number, number>;
  readonly behind: ReadonlyMap<number, number> | undefined;
};

type Tells = {
  /** By step, as far as known: what is outside of them need not be read. */
  readonly windows?: readonly (StepWindow | undefined)[];
  /** What else tells when a machine stood still, at one of the steps. */
  readonly whenStill?: (step: Step<bigint>, index: number) => Step<bigint>;
  /** By CPU, the time stamp of the sub-buffer before its stream. */
  readonly stamps?: ReadonlyMap<number, bigint>;
  /** How far the clock of the last era had come when these streams ended. */
  readonly until?: bigint | undefined;
};

/** `streams`: whole sub-buffers. `steps`: in order. */
export function divideStreams(
  streams: readonly RecordedStream[],
  layout: SubBufferLayout,
  steps: readonly Step<bigint>[],
  { whenStill = (step) => step, stamps = new Map(), until, windows = [] }: Tells = {},
): Divided {
  const backwards = steps.flatMap(({ by }, index) => (by > 0 ? [windows[index]] : []));
  const wanted = backwards.includes(undefined) ? [undefined] : backwards;
  const rests = streams.map((stream): Rest => {
    const stamp = stamps.get(stream.cpu);
    const within = wanted.map((window) => rangeOf(stream, window));
    return { stream, stamp, back: placesBack(stream, layout, stamp, within) };
  });
  const parts: RecordedStream[][] = [];
  const found: Step<bigint>[] = [];
  const times: bigint[] = [];
  for (const [index, step] of steps.entries()) {
    const places = rests.map((rest) => placeBack(rest, layout, step));
    const isBack = places.some((place) => place !== undefined);
    const known = isBack ? step : step.by > 0 ? whenStill(step, index) : leftOut(rests, layout, step);
    found.push(known);
    const time = isBack
      ? endBefore(rests, places, layout)
      : (atOneSide(rests, layout, step, index === steps.length - 1 ? until : undefined) ??
        known.from + (known.to - known.from) / 2n);
    times.push(time);
    parts.push(rests.map((rest, cpu) => take(rest, layout, places[cpu], { time, window: windows[index] })));
  }
  parts.push(rests.map(({ stream }) => stream));
  return { parts, steps: found, times };
}

/** The part before the step, which is taken from the rest. */
function take(
  rest: Rest,
  layout: SubBufferLayout,
  place: number | undefined,
  { time, window }: { time: bigint; window: StepWindow | undefined },
): RecordedStream {
  const { stream } = rest;
  const { skipBytes, bytes } = stream;
  const end = skipBytes + bytes;
  const [next = end] = place === undefined ? rest.back : [place];
  const until: RecordedStream = next === end ? stream : { ...stream, bytes: next - skipBytes, last: undefined };
  if (place !== undefined) {
    rest.back = rest.back.filter((one) => one > place);
    rest.stream = { ...stream, skipBytes: place, bytes: end - place, first: undefined };
    return until;
  }
  const unclear = partOf(until, rangeOf(until, window));
  const after = withoutPast(unclear, layout, time).stream;
  rest.stream = { ...after, bytes: end - after.skipBytes, last: stream.last };
  const before = beforeTime(unclear, layout, time);
  const upTo = before.skipBytes + before.bytes;
  const last = before.bytes === 0 ? undefined : before.last;
  return { ...before, skipBytes, bytes: upTo - skipBytes, first: stream.first, last };
}

type Range = { readonly from: number; readonly to: number };

/** Of the stream, what may be on either side of a step. */
function rangeOf({ cpu, skipBytes, bytes }: RecordedStream, window: StepWindow | undefined): Range {
  const end = skipBytes + bytes;
  const from = Math.min(end, Math.max(skipBytes, window?.before.get(cpu) ?? skipBytes));
  return { from, to: Math.min(end, Math.max(from, window?.behind?.get(cpu) ?? end)) };
}

function partOf(stream: RecordedStream, { from, to }: Range): RecordedStream {
  const end = stream.skipBytes + stream.bytes;
  const first = from === stream.skipBytes ? stream.first : undefined;
  return { ...stream, skipBytes: from, bytes: to - from, first, last: to === end ? stream.last : undefined };
}

/** How far the clock had come before it was set back: one that wrote nothing about then has what is later after the step. */
function endBefore(rests: readonly Rest[], places: readonly (number | undefined)[], layout: SubBufferLayout): bigint {
  const untils = rests.flatMap(({ stream }, index) => {
    const place = places[index];
    return place === undefined ? [] : [{ ...stream, bytes: place - stream.skipBytes, last: undefined }];
  });
  const atBegin = rests.flatMap(({ stream, stamp }, index) =>
    places[index] === stream.skipBytes ? (stamp ?? []) : [],
  );
  return 1n + atBegin.reduce((most, stamp) => (stamp > most ? stamp : most), timesOf(untils, layout)?.last ?? 0n);
}

/** Of a clock that was set back where none of the streams goes back: all of them is before that, or after it. Undefined where that is not clear. */
function atOneSide(
  rests: readonly Rest[],
  layout: SubBufferLayout,
  step: Step<bigint>,
  until: bigint | undefined,
): bigint | undefined {
  if (step.to >= step.from) return undefined;
  const times = timesOf(
    rests.map(({ stream }) => stream),
    layout,
  );
  if (times === undefined) return undefined;
  const latest = latestBefore(step);
  // What goes on where the part before it ended is before the step, too.
  const begunBefore =
    times.first < step.from - (latest - step.to) ||
    (until !== undefined && times.first > until) ||
    rests.some(({ stamp }) => stamp !== undefined);
  const endedAfter = times.last > latest;
  if (begunBefore === endedAfter) return undefined;
  return begunBefore ? times.last + 1n : times.first;
}

/** In host time both took the same; so far the clock may have come before it was set. */
function latestBefore({ from, to, by }: Step<bigint>): bigint {
  return to + BigInt(Math.round(by)) > from ? to + BigInt(Math.round(by)) : from;
}

/** Where in a stream its clock went back at this step. */
function placeBack(
  { stream, stamp, back }: Rest,
  { sizeBytes, littleEndian }: SubBufferLayout,
  step: Step<bigint>,
): number | undefined {
  if (step.by <= 0 || back.length === 0) return undefined;
  const [latest, slack] = [latestBefore(step), BigInt(timelineLimits.stepSlackNs)];
  const earliest = step.to - (latest - step.from);
  const file = new StreamFile(stream);
  try {
    const timeAt = stampReader(file, littleEndian);
    return back.find((place) => {
      const at = place - stream.skipBytes;
      const before = at === 0 ? stamp : timeAt(at - sizeBytes);
      return before !== undefined && before <= latest + slack && timeAt(at) >= earliest - slack;
    });
  } finally {
    file.close();
  }
}

/** `within`: where they are to be looked for. */
function placesBack(
  stream: RecordedStream,
  { sizeBytes, littleEndian }: SubBufferLayout,
  stamp: bigint | undefined,
  within: readonly Range[],
): number[] {
  const places = new Set<number>();
  if (stream.bytes < sizeBytes || within.length === 0) return [];
  const file = new StreamFile(stream);
  try {
    const timeAt = stampReader(file, littleEndian);
    for (const { from, to } of within) {
      let at = from - stream.skipBytes;
      let last = at > 0 ? timeAt(at - sizeBytes) : stamp;
      for (; at + sizeBytes <= stream.bytes && at <= to - stream.skipBytes; at += sizeBytes) {
        const time = timeAt(at);
        if (last !== undefined && time < last) places.add(stream.skipBytes + at);
        last = time;
      }
    }
    return [...places].sort((a, b) => a - b);
  } finally {
    file.close();
  }
}

function stampReader(file: StreamFile, littleEndian: boolean): (at: number) => bigint {
  const view = new DataView(new ArrayBuffer(8));
  const stamp = new Uint8Array(view.buffer);
  return (at) => {
    file.readAt(stamp, at);
    return view.getBigUint64(0, littleEndian);
  };
}

/** The clock went from one side of a gap to the other, which no CPU has events in; of several gaps, in any of them. */
function leftOut(rests: readonly Rest[], layout: SubBufferLayout, step: Step<bigint>): Step<bigint> {
  const { from, to, by } = step;
  const least = -by * timelineLimits.stepGapShare;
  let common: Gap[] = [{ low: 0, high: Number(to - from) }];
  for (const rest of rests) {
    const [next] = rest.back;
    const { skipBytes } = rest.stream;
    const stream = next === undefined ? rest.stream : { ...rest.stream, bytes: next - skipBytes, last: undefined };
    const between = withoutPast(beforeTime(stream, layout, to), layout, from).stream;
    const gaps = gapsIn(between, layout, step, { leastNs: least, begin: rest.stamp ?? from });
    common = inBoth(common, gaps, least);
  }
  // Where there are events before and after; at the ends of them nothing may have been recorded.
  const inner = common.filter(({ low, high }) => low > 0 && high < Number(to - from));
  const hull = hullOf(inner.length > 0 ? inner : common);
  if (hull === undefined) return step;
  return { from: from + BigInt(Math.floor(hull.low)), to: from + BigInt(Math.ceil(hull.high)), by };
}

/** Between the times of the step, from `from` on; `stream`: what lies between them, `begin`: of what is before it. */
function gapsIn(
  stream: RecordedStream,
  layout: SubBufferLayout,
  { from, to }: Step<bigint>,
  { leastNs, begin }: { leastNs: number; begin: bigint },
): readonly Gap[] {
  const gaps: Gap[] = [];
  const end = Number(to - from);
  let last = Math.max(0, Number(begin - from));
  const note = (time: number): void => {
    if (time - last >= leastNs) gaps.push({ low: last, high: time });
    last = Math.max(last, time);
  };
  if (stream.bytes > 0) {
    const cursor = new SubBufferCursor(layout, from);
    const bytes = new Uint8Array(new ArrayBuffer(layout.sizeBytes));
    const view = new DataView(bytes.buffer);
    const file = new StreamFile(stream);
    try {
      for (let at = 0; at + layout.sizeBytes <= stream.bytes; at += layout.sizeBytes) {
        file.readAt(bytes, at);
        cursor.reset(view, 0);
        while (cursor.next()) note(cursor.timestamp);
      }
    } finally {
      file.close();
    }
  }
  note(end);
  return gaps;
}
