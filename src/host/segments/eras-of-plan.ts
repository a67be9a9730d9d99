/** Where the clock of a guest stepped within what is to be a segment or a snapshot: each era is one of its own. */
import type { Step } from "../../timeline/sync/eras.ts";
import { divideStreams, type StepWindow } from "../../timeline/sync/divide-streams.ts";
import { middle } from "../../timeline/sync/interval.ts";
import { haveSteps, type KnownEra, knownEras } from "../../timeline/sync/spooled-bursts.ts";
import type { ClockBurst } from "../../trace-dat/spool/clock-bursts.ts";
import type { SubBufferLayout } from "../../ring-buffer/sub-buffer.ts";
import { withoutPast } from "../../trace-dat/spool/past.ts";
import type { RecordedStream } from "../../trace-dat/write/recording.ts";
import { timesOf } from "../../trace-dat/write/stream-times.ts";
import type { MachineStream } from "./machine-stream.ts";
import type { Positions } from "./positions.ts";
import type { Divided, Passed } from "./stream-eras.ts";

export type EraOfPlan = Passed & {
  readonly from: Positions;
  readonly to: Positions;
  /** In the first sub-buffer. */
  readonly begin: Divided;
  readonly bursts: readonly ClockBurst[];
  /** Which it begins with; of the first one, where all that is before is of before that. */
  readonly step: Step<bigint> | undefined;
  /** So long after the first one it begins. */
  readonly afterMs: number;
};

/** In order; one, where the clock did not step. `windowOf`: where it did, as far as known, by the number of the first burst behind it. */
export function erasOfPlan(
  stream: MachineStream,
  from: Positions,
  to: Positions,
  windowOf: (burst: number) => StepWindow | undefined = () => undefined,
): EraOfPlan[] {
  const { layout } = stream;
  const { begin, known: bursts, forgotten } = stream.eras;
  const of = (first: number, behind = bursts.length): Pick<EraOfPlan, "first" | "behind" | "bursts"> => ({
    first: forgotten + first,
    behind: forgotten + behind,
    bursts: bursts.slice(first, behind),
  });
  const stampsAt = (end: Positions): Passed["stamps"] => stampsOf(stream, from, end);
  const until = { to, end: new Map<number, bigint>(), next: undefined };
  const whole = { ...of(0), ...until, from, begin, step: undefined, kept: forgotten, afterMs: 0 };
  const clock = stream.clock();
  if (stream.kind === "host" || clock === undefined || !haveSteps(bursts, clock))
    return [{ ...whole, stamps: stampsAt(to) }];
  const eras = knownEras(bursts, clock);
  const windows = eras.flatMap(({ step, index }) => (step === undefined ? [] : [windowOf(forgotten + index)]));
  const { parts, steps, times } = divideStreams(
    begunAt(stream.streams(from, to), layout, begin),
    layout,
    eras.flatMap(({ step }) => step ?? []),
    { stamps: stream.eras.stamps, until: stream.eras.until, windows },
  );
  const filled = eras.flatMap((era, index) => {
    const own = parts[index] ?? [];
    return own.some(({ bytes }) => bytes > 0) ? [{ era, index, own }] : [];
  });
  const [first] = filled;
  if (first === undefined) return [{ ...whole, stamps: stampsAt(to) }];
  const eraAt = (place: number, { era, own, index }: (typeof filled)[number]): EraOfPlan => {
    const later = filled[place + 1];
    const end = later && {
      to: startsOf(later.own, to),
      end: dividedAt(later.own, times[later.index - 1]),
      next: steps[later.index - 1],
    };
    return {
      ...of(era.index, eras[index + 1]?.index),
      ...(end ?? until),
      from: place === 0 ? from : startsOf(own, to),
      begin: place === 0 ? begin : dividedAt(own, times[index - 1]),
      step: steps[index - 1],
      kept: forgotten + (later ?? { era }).era.index,
      stamps: stampsAt(end?.to ?? to),
      afterMs: beginOf(stream, era, own) - beginOf(stream, first.era, first.own),
    };
  };
  return filled.map((one, place) => eraAt(place, one));
}

/** Without what is before these times. */
export function begunAt(streams: readonly RecordedStream[], layout: SubBufferLayout, begin: Divided): RecordedStream[] {
  return streams.map((stream) => {
    const time = begin.get(stream.cpu);
    return time === undefined ? stream : withoutPast(stream, layout, time).stream;
  });
}

/** Of the last sub-buffers of this part, or, of a CPU that has none there, of those before. */
function stampsOf(stream: MachineStream, from: Positions, to: Positions): Passed["stamps"] {
  if (stream.eras.bursts.length === 0) return new Map();
  const own = stream.streams(from, to).flatMap((one): [number, bigint][] => {
    const time = stream.places.lastTime(one, stream.layout);
    return time === undefined ? [] : [[one.cpu, time]];
  });
  return new Map([...stream.eras.stamps, ...own]);
}

function startsOf(streams: readonly RecordedStream[], to: Positions): Positions {
  return new Map([...to].map(([cpu, end]) => [cpu, streams.find((one) => one.cpu === cpu)?.skipBytes ?? end]));
}

function dividedAt(streams: readonly RecordedStream[], time: bigint | undefined): Divided {
  return new Map(streams.flatMap(({ cpu, first }) => (first === undefined || time === undefined ? [] : [[cpu, time]])));
}

/** By the host's clock. */
function beginOf({ layout }: MachineStream, { known }: KnownEra, streams: readonly RecordedStream[]): number {
  const begin = timesOf(streams, layout)?.first ?? known.guestEpoch;
  const relative = Number(begin - known.guestEpoch);
  return (Number(known.guestEpoch) + relative + middle(known.range(relative))) / 1e6;
}
