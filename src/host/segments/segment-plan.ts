/** A segment or a snapshot that is to be written: which part of a machine's streams, and what is known of it. */
import type { GuestMap, Metadata, TimeShift } from "../../events/trace-metadata.ts";
import { placeByBursts } from "../../timeline/sync/bursts-alone.ts";
import { knownFromBursts } from "../../timeline/sync/spooled-bursts.ts";
import type { StatusReply } from "../../protocol/replies.ts";
import type { SessionOffset } from "../../trace-dat/session/session-file.ts";
import type { ClockBurst, ReadableClock } from "../../trace-dat/spool/clock-bursts.ts";
import { fromTheStart } from "../../trace-dat/spool/run-counts.ts";
import type { MachineStream } from "./machine-stream.ts";
import type { Positions } from "./positions.ts";

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
  /** What asked for a snapshot; undefined for a segment, whose events are counted. */
  readonly trigger: string | undefined;
};

/** The machines that are placed beside it on one timeline. */
export type SegmentTimeline = { readonly host: MachineStream | undefined; readonly guests: readonly MachineStream[] };

/** What a plan takes from its machine as it is now: later cuts change it. */
export function planOf(
  stream: MachineStream,
  plan: Pick<SegmentPlan, "number" | "file" | "started" | "ended" | "from" | "to" | "times" | "trigger">,
): SegmentPlan {
  const { last: before, now: after } = stream.counters;
  const { metadata, bursts, name } = stream;
  return {
    ...plan,
    stream,
    before,
    after,
    metadata: metadata ?? { uname: name, cpus: 1, formats: [], cpuStats: [] },
    bursts: [...bursts],
  };
}

/** The first segment begins with the start order: what the ring buffers held before is left out, or told. */
export function streamsOf({ stream, from, to, metadata }: SegmentPlan): ReturnType<typeof fromTheStart> {
  const { session, layout } = stream;
  const streams = stream.streams(from, to);
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
): { timeShift?: TimeShift; offset?: SessionOffset } {
  if (stream.kind === "host") return {};
  const clock: ReadableClock | undefined = host === undefined ? (stream.clock() ?? "mono_raw") : host.clock();
  const known = clock === undefined ? undefined : knownFromBursts(bursts, clock);
  if (known === undefined) return { offset: { method: "unknown", reason: "no round trip tells it" } };
  const { samples, boundNs } = placeByBursts(known);
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
