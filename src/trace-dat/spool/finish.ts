/**
 * Makes the trace.dat from a spool, whether its recorder ended or was killed.
 *
 * Where the guest reported the recording's size, it is exactly the last bytes received: what an earlier session
 * left in the ports precedes them.
 */
import { AgentError } from "../../base/errors.ts";
import { layoutOf, parseHeaderPage, type SubBufferLayout } from "../../ring-buffer/sub-buffer.ts";
import type { OutputPlace } from "../../base/output-place.ts";
import { mergeMetadata } from "../../events/metadata-files.ts";
import type { Metadata } from "../../events/trace-metadata.ts";
import { counted } from "../../base/plural.ts";
import type { Found } from "../../protocol/replies.ts";
import { traceDatLimits } from "../limits.ts";
import { layoutMismatch } from "./assumed-layout.ts";
import { balanceOf, type CpuBalance } from "./balance.ts";
import { type Findings, recordedPart } from "./recorded-part.ts";
import { fromTheStart, withCounts } from "./run-counts.ts";
import { version } from "../../base/version.ts";
import type { Spool } from "./spool.ts";
import type { SpoolEnd, SpoolSession } from "./spool-fields.ts";
import type { RecordedStream, Recording } from "../write/recording.ts";
import { partOf } from "./part-of-recording.ts";
import { addTally, type CpuTally, newTally, type TraceDatFormat, writeTraceDatInSteps } from "../write/write.ts";

export type Finished = Findings & {
  /** Of all files together, and what each of them holds. */
  bytes: number;
  files: readonly { bytes: number; events: number }[];
  cpus: CpuTally[];
  metadata: Metadata;
  /** Why the recording ended before anybody asked for it. */
  endedEarly: string | undefined;
  /** What is to be known about it. */
  notes: string[];
  /** What became of each CPU's events; none if the guest reported no counters. */
  balances: CpuBalance[];
  /** What keeps events out of a recording, as last reported. */
  found: Found | undefined;
};

/** What places a recording beside others on one timeline. */
export type TimelineParts = Pick<Recording, "guests" | "timeShift">;

/** A file of the recording. `streams`: what of it belongs into it; all, where nothing is said. */
export type SpoolFile = {
  output: OutputPlace;
  timeline?: TimelineParts;
  streams?: readonly RecordedStream[] | undefined;
};

/**
 * `given`: metadata that the user has from elsewhere; what the guest sent counts more. Yields between pieces of data, whose bytes it tells; a caller
 * that wants no more throws into it, which leaves no file.
 */
export function* finishSpool(
  spool: Spool,
  files: readonly SpoolFile[],
  format: TraceDatFormat,
  given?: Metadata,
): Generator<number, Finished> {
  const spooled = spooledRecording(spool, given);
  const { recording, findings, notes, session, end, leftOut } = spooled;
  const cpus = Array.from({ length: recording.cpus }, (_, cpu) => newTally(cpu));
  const written: { bytes: number; events: number }[] = [];
  const parts = files.map(({ streams = recording.streams }) => streams);
  for (const [index, { output, timeline = {} }] of files.entries()) {
    const one = yield* writeTraceDatInSteps(output, { ...partOf(recording, parts, index), ...timeline }, format);
    for (const tally of one.cpus) addTally(cpus[tally.cpu], tally);
    written.push({ bytes: one.bytes, events: one.cpus.reduce((sum, { events }) => sum + events, 0) });
  }
  const bytes = written.reduce((sum, file) => sum + file.bytes, 0);
  const damaged = cpus.reduce((sum, tally) => sum + tally.damaged, 0);
  if (damaged > 0) findings.damage.push(`${counted(damaged, "sub-buffer")} cannot be read to the end`);
  const received = spooled.received.map(({ cpu, bytes: cameBytes }) => {
    const tally = cpus[cpu];
    const events = (tally?.events ?? 0) + (leftOut.get(cpu) ?? 0);
    // Bytes that -m leaves out came, but nobody knows how many events they hold.
    const beyond = end?.beyondSize?.find((entry) => entry.cpu === cpu)?.bytes ?? 0;
    return { cpu, bytes: cameBytes + beyond, events, damaged: (tally?.damaged ?? 0) > 0 || beyond > 0 };
  });
  const counts = { before: session.before, start: session.start, stop: end?.stop, after: end?.after };
  const balances = end?.after === undefined && end?.stop === undefined ? [] : balanceOf(counts, received);
  const found = foundIn(session, end);
  const endedEarly = whyEarly(session, end);
  return { ...findings, bytes, cpus, metadata: recording.metadata, endedEarly, notes, balances, found, files: written };
}

/** A recorder that was killed, or has no room for it, leaves no word about the end. Streams that were made by hand have none either, but no session. */
function whyEarly(session: SpoolSession, end: SpoolEnd | undefined): string | undefined {
  if (end !== undefined) return end.reason === "" ? undefined : end.reason;
  if (session.hello === undefined) return undefined;
  return "its recorder was killed, or its disk was full; whether all events up to then are in the file is not known";
}

/** As after the stop; but filters are reported for enabled events, so they are those before the start. */
function foundIn(session: SpoolSession, end: SpoolEnd | undefined): Found | undefined {
  const before = session.before?.found ?? session.hello?.found;
  const last = end?.after?.found ?? before;
  if (last === undefined || before === undefined) return last;
  return { ...last, filters: before.filters, filtersInAll: before.filtersInAll };
}

export type SpooledRecording = {
  recording: Recording;
  findings: Findings;
  notes: string[];
  session: SpoolSession;
  end: SpoolEnd | undefined;
  /** Bytes received, by CPU. */
  received: { cpu: number; bytes: number }[];
  /** Events from before the start that are not in the recording, by CPU. */
  leftOut: ReadonlyMap<number, number>;
};

/** The content of a spool, and its faults. */
export function spooledRecording(spool: Spool, given?: Metadata): SpooledRecording {
  const findings: Findings = { warnings: [], damage: [], mismatches: [], spoolHasMore: false };
  const { warnings, damage } = findings;
  damage.push(...spool.readDamage());
  const session = spool.readSession();
  const end = spool.readEnd();
  // Where other metadata were given, what the guest sent is not all that there is.
  const unusable = given === undefined ? damage : warnings;
  const first = readOr(spool, "start", unusable);
  const own = mergeMetadata(first, readOr(spool, "end", unusable));
  const merged = mergeMetadata(given, own);
  if ((merged?.formats.length ?? 0) > traceDatLimits.formatsUsual) Bun.gc(true);
  const layout = layoutFor(session, merged, warnings);
  const metadata = merged ?? standIn(session, layout, warnings);
  for (const [name, reason] of Object.entries(metadata.missing ?? {})) {
    if (!name.startsWith("per_cpu/") && !name.startsWith("events/"))
      warnings.push(`its agent gave no ${name}: ${reason}`);
  }
  const spooled = spool.streams();
  const streams = spooled.map((stream) => recordedPart(stream, session, end, layout, findings));
  const told = session.hello !== undefined || own?.headerPage !== undefined;
  if (!told) checkLayout(spool.path, streams, layout, merged !== undefined);
  const begun = fromTheStart(streams, session, layout, { ...metadata, cpuStats: first?.cpuStats ?? [] });
  const received = spooled.map(({ cpu, bytes }) => ({ cpu, bytes }));
  const recording: Recording = {
    metadata: withCounts(metadata, session, end, { leftOut: begun.leftOut, received }),
    layout,
    cpus: Math.max(metadata.cpus, 1, ...streams.map(({ cpu }) => cpu + 1)),
    streams: begun.streams,
    version: `trace-agent ${version}`,
    traceId: session.traceId,
  };
  return { recording, findings, notes: begun.notes, session, end, received, leftOut: begun.leftOut };
}

/** Throws if the streams would make a file full of garbage. `given`: the layout is that of the user's metadata. */
function checkLayout(
  path: string,
  streams: readonly RecordedStream[],
  { sizeBytes, longBytes }: SubBufferLayout,
  given: boolean,
): void {
  const mismatch = layoutMismatch(streams, layoutOf(sizeBytes, longBytes));
  if (mismatch === undefined) return;
  const reason = given ? "as the metadata say that were given" : "as is assumed where the guest tells nothing";
  throw new AgentError(
    "input",
    `cannot read "${path}": its streams are not of sub-buffers of ${sizeBytes} bytes of a kernel of ${longBytes * 8} bits, ${reason}; ${mismatch}`,
    {
      remedy: `in that guest: trace-agent metadata > FILE; then: trace-agent recover ${path} --metadata FILE -o trace.dat`,
    },
  );
}

function readOr(spool: Spool, when: "start" | "end", warnings: string[]): Metadata | undefined {
  try {
    return spool.readMetadata(when);
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    if (!warnings.includes(error.text)) warnings.push(error.text);
    return undefined;
  }
}

function layoutFor(session: SpoolSession, metadata: Metadata | undefined, warnings: string[]): SubBufferLayout {
  const told =
    session.hello === undefined
      ? layoutOf(4096, 8)
      : layoutOf(session.hello.subBufferSize, session.hello.longSize === 4 ? 4 : 8);
  const text = metadata?.headerPage;
  if (text === undefined) return told;
  const described = parseHeaderPage(text);
  if (described === undefined) warnings.push("its header_page is not understood");
  else if (described.sizeBytes !== told.sizeBytes && session.hello !== undefined) {
    warnings.push(
      `its agent says that its sub-buffers have ${told.sizeBytes} bytes, and its header_page ${described.sizeBytes}`,
    );
  }
  return described ?? told;
}

/** Enough for readers to open the file and count events. */
function standIn(session: SpoolSession, layout: SubBufferLayout, warnings: string[]): Metadata {
  warnings.push(
    "no metadata: no event formats, no task names and no symbols are known; trace-agent recover --metadata FILE adds them",
  );
  const { longBytes, headerBytes, sizeBytes } = layout;
  const page = [
    `\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n`,
    `\tfield: local_t commit;\toffset:8;\tsize:${longBytes};\tsigned:1;\n`,
    `\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n`,
    `\tfield: char data;\toffset:${headerBytes};\tsize:${sizeBytes - headerBytes};\tsigned:1;\n`,
  ].join("");
  return {
    uname: session.hello === undefined ? "unknown" : `Linux ${session.hello.kernel} ${session.hello.machine}`,
    cpus: 1,
    headerPage: page,
    formats: [],
    traceClock: `[${session.hello?.clock ?? "local"}]\n`,
    cpuStats: [],
  };
}
