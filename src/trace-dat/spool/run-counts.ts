/** What the start and stop of a run say about its recording: where it begins, and what the kernel counted in it. */
import { counted } from "../../base/plural.ts";
import type { Metadata } from "../../events/trace-metadata.ts";
import type { SubBufferLayout } from "../../ring-buffer/sub-buffer.ts";
import { traceDatLimits } from "../limits.ts";
import { parseTraceTime } from "../../tracefs/cpu-stats.ts";
import { clockOf, countsNanoseconds } from "../../tracefs/trace-clocks.ts";
import type { RecordedStream } from "../write/recording.ts";
import { recordingCountLines } from "../recording-counts.ts";
import { balanceOf } from "./balance.ts";
import { reachOfPast, withoutPast } from "./past.ts";
import type { SpoolEnd, SpoolSession } from "./spool-fields.ts";

export type Begun = {
  streams: RecordedStream[];
  /** Events that were removed, by CPU. */
  leftOut: Map<number, number>;
  notes: string[];
};

/**
 * Removes what was in the ring buffers before the start; or reports that it is kept, and why. `before`: the metadata that were
 * taken before the recorder set its events.
 */
export function fromTheStart(
  streams: readonly RecordedStream[],
  session: SpoolSession,
  layout: SubBufferLayout,
  before: Metadata,
): Begun {
  const times = new Map(session.start?.streams.map(({ cpu, time }) => [cpu, time]));
  const untouched = new Map(before.cpuStats.map(({ cpu, text }) => [cpu, parseTraceTime(text)]));
  const clock = clockOf(before);
  const leftOut = new Map<number, number>();
  const reaches: string[] = [];
  // What was there before the recorder came. Those between setting the events and the start order, which may take seconds, are its own.
  let held = 0;
  let old = false;
  const kept = streams.map((stream) => {
    const time = times.get(stream.cpu);
    if (time === undefined) return stream;
    if (session.past === true) {
      const reach = reachOfPast(stream, layout, BigInt(time));
      if (reach > 0n) reaches.push(`CPU ${stream.cpu} ${reachText(reach, clock)}`);
      return stream;
    }
    const cut = withoutPast(stream, layout, BigInt(time));
    if (cut.events === 0) return cut.stream;
    leftOut.set(stream.cpu, cut.events);
    const set = untouched.get(stream.cpu);
    const isEarlier = set !== undefined && set < BigInt(time);
    held += isEarlier ? withoutPast(stream, layout, set).events : cut.events;
    if (Number(reachOfPast(stream, layout, BigInt(time))) > traceDatLimits.pastToldTime) old = true;
    return cut.stream;
  });
  const notes: string[] = [];
  if (old && held > 0)
    notes.push(
      `left out: ${counted(held, "event")} from before the start, which the ring buffer held (--past keeps them)`,
    );
  if (reaches.length > 0)
    notes.push(
      `before the start: ${reaches.join(", ")}; what the kernel dropped between that and the start is not counted (--past)`,
    );
  if (session.start !== undefined && times.size > 0 && [...times.values()].every((time) => time === undefined))
    notes.push("the guest's agent does not tell when the recording began: what its ring buffer held before is in it");
  return { streams: kept, leftOut, notes };
}

function reachText(reach: bigint, clock: string): string {
  return countsNanoseconds(clock) ? `${(Number(reach) / 1e9).toFixed(1)} s` : `${reach} ticks`;
}

/** `received`: what came of each CPU whose port the host reads. The kernel's counts of this recording stand behind those since its ring buffer was made: a reader sees whether events miss. */
export function withCounts(
  metadata: Metadata,
  session: SpoolSession,
  end: SpoolEnd | undefined,
  { leftOut, received }: { leftOut: ReadonlyMap<number, number>; received: readonly { cpu: number; bytes: number }[] },
): Metadata {
  const { before, start } = session;
  const { stop, after } = end ?? {};
  if (before === undefined || after === undefined) return metadata;
  // Events are counted only when the file is written.
  const uncounted = received.map((stream) => ({ ...stream, events: 0, damaged: true }));
  const texts = new Map(metadata.cpuStats.map(({ cpu, text }) => [cpu, text]));
  for (const balance of balanceOf({ before, start, stop, after }, uncounted)) {
    const { cpu } = balance;
    const lines = recordingCountLines(balance, leftOut.get(cpu) ?? 0);
    const text = (texts.get(cpu) ?? "").trimEnd();
    texts.set(cpu, `${[text, ...lines].filter((line) => line !== "").join("\n")}\n`);
  }
  const cpuStats = [...texts].map(([cpu, text]) => ({ cpu, text }));
  return { ...metadata, cpuStats: cpuStats.sort((a, b) => a.cpu - b.cpu) };
}
