/** Writes a segment or a snapshot while the ports are served: in turns of some milliseconds, the disk's own work beside them. */
import { AgentError, messageOf } from "../../base/errors.ts";
import { OutputFile } from "../../base/output-file.ts";
import type { OutputPlace } from "../../base/output-place.ts";
import { version } from "../../base/version.ts";
import type { StatusReply } from "../../protocol/replies.ts";
import { recordingCountLines } from "../../trace-dat/recording-counts.ts";
import type { SessionOffset } from "../../trace-dat/session/session-file.ts";
import { writeSegment } from "../../trace-dat/write/segment.ts";
import { type StreamTimes, timesOf } from "../../trace-dat/write/stream-times.ts";
import type { CpuTally } from "../../trace-dat/write/write.ts";
import { hostLimits } from "../limits.ts";
import { guestMaps, placeSegment, type SegmentPlan, type SegmentTimeline, streamsOf } from "./segment-plan.ts";

export type WrittenSegment = {
  /** Of the file. */
  readonly bytes: number;
  readonly cpus: readonly CpuTally[];
  /** Events from before the start, by CPU. */
  readonly leftOut: ReadonlyMap<number, number>;
  readonly notes: readonly string[];
  readonly offset: SessionOffset | undefined;
  readonly times: StreamTimes | undefined;
};

/** The file appears when it is whole. `turn`: lets the ports be served. Throws an AgentError. */
export async function writeSegmentFile(
  plan: SegmentPlan,
  place: OutputPlace,
  timeline: SegmentTimeline,
  turn: () => Promise<void>,
): Promise<WrittenSegment> {
  const { stream, metadata, trigger } = plan;
  const { streams, leftOut, notes } = streamsOf(plan);
  const cpus = Math.max(metadata.cpus, 1, ...streams.map(({ cpu }) => cpu + 1));
  const isCounted = trigger === undefined;
  let times = isCounted ? undefined : timesOf(streams, stream.layout);
  let offset: SessionOffset | undefined;
  const guests = guestMaps(plan, timeline);
  let file: OutputFile | undefined;
  try {
    const tables = await stream.tables();
    file = new OutputFile(place);
    const writing = writeSegment(file, {
      recording: {
        metadata,
        layout: stream.layout,
        cpus,
        // The events of segments are counted in a second reading where the disk copies them.
        streams: isCounted ? streams : stream.readOnce(streams),
        version: `trace-agent ${version}`,
        traceId: stream.session.traceId,
        ...(guests === undefined ? {} : { guests }),
      },
      tables,
      counted: isCounted,
      told: (read) => {
        times ??= read.times;
        // Before its step a guest's clock was another; before the first round trips only its ring buffers held something.
        const span = { first: plan.step === undefined ? undefined : times?.first, last: times?.last };
        const placed = placeSegment(plan, timeline, cpus, span);
        ({ offset } = placed);
        return {
          cpuStats: isCounted ? withCounts(plan, read.cpus) : metadata.cpuStats,
          ...(placed.timeShift === undefined ? {} : { timeShift: placed.timeShift }),
        };
      },
    });
    const tallies = await inTurns(writing, turn);
    await file.finishLater();
    return { bytes: file.position, cpus: tallies, leftOut, notes, offset, times };
  } catch (cause) {
    if (cause instanceof AgentError) throw cause;
    throw new AgentError("io", `cannot write "${place.path}": ${messageOf(cause)}`, { cause });
  } finally {
    file?.abandon();
  }
}

async function inTurns<R>(work: Generator<number, R>, turn: () => Promise<void>): Promise<R> {
  let begunMs = performance.now();
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
    if (performance.now() - begunMs < hostLimits.segmentTurnMs) continue;
    await turn();
    begunMs = performance.now();
  }
}

/** Behind the kernel's statistics: what is in this segment, and what was lost since the last cut. */
function withCounts(
  { metadata, before, after }: SegmentPlan,
  tallies: readonly CpuTally[],
): { cpu: number; text: string }[] {
  const texts = new Map(metadata.cpuStats.map(({ cpu, text }) => [cpu, text]));
  return tallies.map(({ cpu, events }) => {
    const [earlier, later] = [before, after].map((status) => countersOf(status, cpu));
    const since = (of: (counters: NonNullable<typeof later>) => number): number =>
      earlier === undefined || later === undefined ? 0 : Math.max(0, of(later) - of(earlier));
    const counted = {
      read: events,
      overrun: since(({ overrun }) => overrun),
      commitOverrun: since(({ commitOverrun }) => commitOverrun),
      dropped: since(({ droppedEvents }) => droppedEvents),
    };
    const lines = recordingCountLines(
      { cpu, counted, transitBytes: 0, transitEvents: 0, taken: 0, notServed: undefined },
      0,
    );
    return { cpu, text: `${[(texts.get(cpu) ?? "").trimEnd(), ...lines].filter((line) => line !== "").join("\n")}\n` };
  });
}

function countersOf(status: StatusReply | undefined, cpu: number): StatusReply["cpus"][number] | undefined {
  return status?.cpus.find((entry) => entry.cpu === cpu);
}
