/** A segment or a snapshot that is to be written: which part of a machine's streams, and what is known of it. */
import type { GuestMap, Metadata, TimeShift } from "../../events/trace-metadata.ts";
import type { Step } from "../../timeline/sync/eras.ts";
import { type EventSpan, placeByBursts } from "../../timeline/sync/bursts-alone.ts";
import { knownFromBursts } from "../../timeline/sync/spooled-bursts.ts";
import type { StatusReply } from "../../protocol/replies.ts";
import type { SessionOffset } from "../../trace-dat/session/session-file.ts";
import type { ClockBurst, ReadableClock } from "../../trace-dat/spool/clock-bursts.ts";
import type { SpoolCut } from "../../trace-dat/spool/spool-cuts.ts";
import { beforeTime } from "../../trace-dat/spool/past.ts";
import { fromTheStart } from "../../trace-dat/spool/run-counts.ts";
import { begunAt, type EraOfPlan, erasOfPlan } from "./eras-of-plan.ts";
import type { MachineStream } from "./machine-stream.ts";
import type { Positions } from "./positions.ts";
import { type Divided, lineOf, stepIn } from "./stream-eras.ts";

export type SegmentPlan = {
  readonly stream: MachineStream;
  readonly number: number;
  /** Below the directory. */
  readonly file: string;
  /** UTC. */
  readonly started: string;
  readonly ended: string;
  readonly from: Positions;
  readonly to: Positions;
  /** By the machine's clock: of the cut before, and of this one. */
  readonly times: { readonly from: bigint | undefined; readonly to: bigint | undefined };
  readonly before: StatusReply | undefined;
  readonly after: StatusReply | undefined;
  readonly metadata: Metadata;
  readonly bursts: readonly ClockBurst[];
  /** It begins with a step of the clock, and ends with one; what is divided there within sub-buffers. */
  readonly step: Step<bigint> | undefined;
  readonly isStepped: boolean;
  readonly begin: Divided;
  readonly end: Divided;
  /** What asked for a snapshot; undefined for a segment, whose events are counted. */
  readonly trigger: string | undefined;
};

/** The machines that are placed beside it on one timeline. */
export type SegmentTimeline = { readonly host: MachineStream | undefined; readonly guests: readonly MachineStream[] };

type PlanParts = Pick<SegmentPlan, "number" | "file" | "started" | "ended" | "times" | "trigger">;

/**
 * What a plan takes from its machine as it is now: later cuts change it. Of several eras the kernel's counters are in the last one. `step`: with
 * which it begins.
 */
export function planOf(
  stream: MachineStream,
  plan: PlanParts,
  { from, to, begin, end, bursts, next }: Pick<EraOfPlan, "from" | "to" | "begin" | "end" | "bursts" | "next">,
  step: Step<bigint> | undefined,
): SegmentPlan {
  const { last: before, now } = stream.counters;
  const { metadata, name } = stream;
  return {
    ...plan,
    stream,
    from,
    to,
    begin,
    end,
    before,
    after: next === undefined ? now : before,
    metadata: metadata ?? { uname: name, cpus: 1, formats: [], cpuStats: [] },
    bursts,
    step,
    isStepped: next !== undefined,
  };
}

type PlanSegments = Pick<SegmentPlan, "started" | "ended" | "times"> & {
  readonly nextNumber: () => number;
  readonly fileOf: (started: string, number: number) => string;
};

/** All that came up to there, as a segment, or several where the clock of the machine stepped; noted in its spool. */
export function planSegments(stream: MachineStream, to: Positions, parts: PlanSegments): SegmentPlan[] {
  const { started, ended, times, nextNumber, fileOf } = parts;
  const eras = erasOfPlan(stream, stream.from, to);
  const isContinued = [...stream.from.values()].some((position) => position > 0);
  return eras.map((era, index) => {
    const [begun, next] = [later(started, era.afterMs), eras[index + 1]];
    const number = nextNumber();
    const about = {
      number,
      file: fileOf(begun, number),
      started: begun,
      ended: next === undefined ? ended : later(started, next.afterMs),
      times: { from: index === 0 ? times.from : undefined, to: next === undefined ? times.to : undefined },
      trigger: undefined,
    };
    // Where it stepped after all of the segment before nobody knew of it then.
    const found = index === 0 && isContinued ? era.step : undefined;
    const plan = planOf(stream, about, era, found ?? stream.eras.step);
    const at = about.times.to === undefined ? {} : { at: `${about.times.to}` };
    stream.noteCut({ number, file: about.file, started: begun, to: [...era.to], ...at, ...lineOf(era, found) });
    stream.pass(era);
    return plan;
  });
}

/** What a recorder cut that was killed before it was a file. */
export function planLeft(stream: MachineStream, cut: SpoolCut, ended: string): SegmentPlan {
  const { number, file, started, at, begun } = cut;
  const times = { from: undefined, to: at === undefined ? undefined : BigInt(at) };
  const { eras, from } = stream;
  const passed = eras.read(cut);
  const era = { ...passed, from, to: new Map(cut.to), begin: eras.begin, bursts: eras.ofPart(passed) };
  return planOf(
    stream,
    { number, file, started, ended, times, trigger: undefined },
    era,
    begun === undefined ? eras.step : stepIn(begun),
  );
}

function later(utc: string, ms: number): string {
  return ms === 0 ? utc : new Date(Date.parse(utc) + ms).toISOString();
}

/** The first segment begins with the start order: what the ring buffers held before is left out, or told. */
export function streamsOf({ stream, from, to, begin, end, metadata }: SegmentPlan): ReturnType<typeof fromTheStart> {
  const { session, layout } = stream;
  const further = new Map([...to].map(([cpu, place]) => [cpu, place + (end.has(cpu) ? layout.sizeBytes : 0)]));
  const streams = begunAt(stream.streams(from, further), layout, begin).map((one) => {
    const time = end.get(one.cpu);
    return time === undefined ? one : beforeTime(one, layout, time);
  });
  const isFirst = [...from.values()].every((position) => position === 0);
  return isFirst
    ? fromTheStart(streams, session, layout, stream.untouched ?? metadata)
    : { streams, leftOut: new Map<number, number>(), notes: [] };
}

/** Where the guest's clock lies on its host's, or on that of this machine, by round trips alone; `sync` refines it. */
export function placeSegment(
  { stream, bursts }: SegmentPlan,
  { host }: SegmentTimeline,
  cpus: number,
  span: EventSpan,
): { timeShift?: TimeShift; offset?: SessionOffset } {
  if (stream.kind === "host") return {};
  const clock: ReadableClock | undefined = host === undefined ? (stream.clock() ?? "mono_raw") : host.clock();
  const known = clock === undefined ? undefined : knownFromBursts(bursts, clock);
  if (known === undefined) return { offset: { method: "unknown", reason: "no round trip tells it" } };
  const { samples, boundNs } = placeByBursts(known, span);
  if (samples.length === 0) return {};
  const timeShift: TimeShift = {
    hostTraceId: host?.session.traceId ?? 0n,
    interpolated: samples.length > 1,
    samples: Array.from({ length: cpus }, () => samples),
  };
  const offset: SessionOffset = {
    ns: `${samples[0]?.offset ?? 0n}`,
    boundNs,
    method: "round trips",
    samples: samples.length,
    reason: "each segment is placed by its own; trace-agent sync refines it",
  };
  return { timeShift, offset };
}

/** What a host's file tells of the guests that it ran. */
export function guestMaps({ stream }: SegmentPlan, { guests }: SegmentTimeline): readonly GuestMap[] | undefined {
  if (stream.kind !== "host") return undefined;
  return guests.map(({ name, session, metadata }) => ({
    name,
    traceId: session.traceId,
    tasks: Array.from({ length: metadata?.cpus ?? 0 }, (_, cpu) => session.vcpus?.[cpu] ?? -1),
  }));
}
