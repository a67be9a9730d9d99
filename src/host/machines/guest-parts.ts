/** The parts of a guest's recording between which its clock stepped, and what is known of their places without their events. */
import type { TimeSample } from "../../events/trace-metadata.ts";
import { type EventSpan, placeByBursts } from "../../timeline/sync/bursts-alone.ts";
import { divideStreams } from "../../timeline/sync/divide-streams.ts";
import type { Step } from "../../timeline/sync/eras.ts";
import { findPause } from "../../timeline/sync/find-pause.ts";
import { searchOffset, type Searched } from "../../timeline/sync/search-offset.ts";
import { type KnownEra, knownEras } from "../../timeline/sync/spooled-bursts.ts";
import type { GuestToPlace, KnownOffset } from "../../timeline/sync/synchronise.ts";
import { clockOf } from "../../tracefs/trace-clocks.ts";
import type { SessionOffset } from "../../trace-dat/session/session-file.ts";
import { type ReadableClock, readableClocks } from "../../trace-dat/spool/clock-bursts.ts";
import { spooledRecording, type SpooledRecording, type TimelineParts } from "../../trace-dat/spool/finish.ts";
import { recordingSource } from "../../trace-dat/spool/source.ts";
import type { TraceSource } from "../../trace-dat/trace-source.ts";
import type { RecordedStream } from "../../trace-dat/write/recording.ts";
import { type StreamTimes, timesOf } from "../../trace-dat/write/stream-times.ts";
import type { Unfinished } from "./unfinished.ts";

export type Host = { readonly source: TraceSource; readonly clock: string; readonly traceId: bigint };

/** `streams`: what of the recording it is, where that is not all. */
type About = {
  readonly streams?: readonly RecordedStream[];
  /** The one with which it begins. */
  readonly step?: Step<bigint>;
  readonly times?: StreamTimes | undefined;
};

export type PlacedPart = About & { readonly timeline: TimelineParts; readonly offset?: SessionOffset };

/** `tasks`: by vCPU. One that is not placed yet is `toPlace`. */
export type GuestPart = {
  readonly tasks: readonly number[];
  readonly about: About;
  readonly toPlace?: GuestToPlace;
  placed?: PlacedPart | undefined;
};

/** In order; at least one. */
export function openGuest(of: Unfinished, host: Host | undefined): GuestPart[] {
  const spooled = spooledRecording(of.spool);
  const { recording, session } = spooled;
  const tasks = Array.from({ length: recording.cpus }, (_, cpu) => session.vcpus?.[cpu] ?? -1);
  const bursts = of.spool.readBursts();
  // Without a host, on the clock of this machine.
  const clock = host === undefined ? (readable(bursts[0]?.clock ?? "") ?? "mono_raw") : readable(host.clock);
  const eras = clock === undefined ? [] : knownEras(bursts, clock);
  if (eras.length > 0) return partsOf(spooled, eras, tasks, host);
  const searched = host === undefined ? undefined : search(host, spooled, tasks);
  if (searched?.known !== undefined && host !== undefined)
    return [{ tasks, about: {}, toPlace: toPlace(spooled, {}, tasks, searched.known) }];
  const reason = `${whyUnknown(spooled, host)}${searched === undefined ? "" : `, and ${searched.reason}`}`;
  return [{ tasks, about: {}, placed: { timeline: {}, offset: { method: "unknown", reason } } }];
}

/** Of eras without an event there is no part. */
function partsOf(
  spooled: SpooledRecording,
  eras: readonly KnownEra[],
  tasks: readonly number[],
  host: Host | undefined,
): GuestPart[] {
  const { streams, layout } = spooled.recording;
  const steps = eras.flatMap(({ step }) => step ?? []);
  const whenStill = (step: Step<bigint>, index: number): Step<bigint> => {
    const [before, after] = eras.slice(index);
    if (host === undefined || before === undefined || after === undefined) return step;
    return findPause(host.source, tasks, step, before.known, after.known);
  };
  const divided = divideStreams(streams, layout, steps, { whenStill });
  const filled = eras.flatMap(({ known }, index) => {
    const own = divided.parts[index] ?? [];
    return own.some(({ bytes }) => bytes > 0) ? [{ known, own, step: divided.steps[index - 1] }] : [];
  });
  const [only] = eras;
  if (filled.length === 0 && only !== undefined) filled.push({ known: only.known, own: [...streams], step: undefined });
  return filled.map(({ known, own, step }, index): GuestPart => {
    const times = timesOf(own, layout);
    const about: About = {
      times,
      ...(filled.length === 1 ? {} : { streams: own }),
      ...(step === undefined || index === 0 ? {} : { step }),
    };
    if (host !== undefined) return { tasks, about, toPlace: toPlace(spooled, about, tasks, known) };
    // Before the first round trips of all there is only what ring buffers held before.
    const span = { first: step && times?.first, last: times?.last };
    return { tasks, about, placed: { ...about, ...placedAlone(known, span, tasks.length) } };
  });
}

/** The times of its events are all that is asked for: of many guests only that is held. */
function toPlace(
  { recording }: SpooledRecording,
  { streams = recording.streams }: About,
  tasks: readonly number[],
  known: KnownOffset,
): GuestToPlace {
  const { uname, cpus, cpuStats, traceClock = "" } = recording.metadata;
  const metadata = { uname, cpus, cpuStats, traceClock, formats: [] };
  return { source: recordingSource({ ...recording, streams, metadata }), tasks, known };
}

/** Where no clock tells it, the switches of the vCPU threads may. */
function search(host: Host, { recording }: SpooledRecording, tasks: readonly number[]): Searched {
  const source = recordingSource(recording);
  try {
    return searchOffset(host.source, source, tasks);
  } finally {
    source.close();
  }
}

function placedAlone(known: KnownOffset, span: EventSpan, cpus: number): PlacedPart {
  const { samples, boundNs } = placeByBursts(known, span);
  return {
    timeline: shiftedBy(samples, undefined, cpus),
    offset: {
      ns: `${samples[0]?.offset ?? 0n}`,
      samples: samples.length,
      boundNs,
      method: "round trips",
      reason: "the host was not recorded with it",
    },
  };
}

function readable(clock: string): ReadableClock | undefined {
  return readableClocks.find((known) => known === clock);
}

function whyUnknown({ recording, session }: SpooledRecording, host: Host | undefined): string {
  const clock = clockOf(recording.metadata);
  if (session.hello === undefined) return "its agent does not answer";
  if (host !== undefined && readable(host.clock) === undefined)
    return `no program can read the host's trace clock ${host.clock}`;
  if (!session.hello.words.includes("clock"))
    return "its trace-agent is older and does not tell its clocks, nor do its counters";
  if (readable(clock) === undefined) return `no program can read its trace clock ${clock}, and no counter tells it`;
  return "its agent did not answer when its clocks were asked for";
}

/** `cpus`: all of which have the same samples. */
export function shiftedBy(samples: readonly TimeSample[], host: Host | undefined, cpus: number): TimelineParts {
  if (samples.length === 0) return {};
  return {
    timeShift: {
      hostTraceId: host?.traceId ?? 0n,
      interpolated: samples.length > 1,
      samples: Array.from({ length: cpus }, () => samples),
    },
  };
}
