/**
 * Makes the trace.dat out of a spool, whether its recorder came to an end or was killed.
 *
 * Where the guest told how many bytes the recording has, it is exactly the last so many of what came: what an earlier
 * session left in the ports lies in front of them.
 */
import { AgentError } from "../errors.ts";
import { layoutOf, parseHeaderPage, type SubBufferLayout } from "../kernel/sub-buffer.ts";
import type { Metadata } from "../protocol/metadata.ts";
import { version } from "../version.ts";
import { mergeMetadata } from "./metadata-read.ts";
import type { Spool, SpoolEnd, SpoolSession, SpooledStream } from "./spool.ts";
import type { RecordedStream, Recording } from "./trace-dat/recording.ts";
import { type CpuTally, type TraceDatFormat, writeTraceDat } from "./trace-dat/write.ts";

export type Finished = { bytes: number; cpus: CpuTally[]; warnings: string[]; metadata: Metadata };

/** `given`: metadata that the user has from elsewhere; what the guest sent counts more. */
export function finishSpool(spool: Spool, output: string, format: TraceDatFormat, given?: Metadata): Finished {
  const { recording, warnings } = spooledRecording(spool, given);
  const { bytes, cpus } = writeTraceDat(output, recording, format);
  const damaged = cpus.reduce((sum, tally) => sum + tally.damaged, 0);
  if (damaged > 0) warnings.push(`${damaged} sub-buffers cannot be read to their end`);
  return { bytes, cpus, warnings, metadata: recording.metadata };
}

/** What a spool holds, and what is amiss with it. */
export function spooledRecording(spool: Spool, given?: Metadata): { recording: Recording; warnings: string[] } {
  const warnings: string[] = [];
  const session = spool.readSession();
  const end = spool.readEnd();
  const merged = mergeMetadata(given, mergeMetadata(readOr(spool, "start", warnings), readOr(spool, "end", warnings)));
  const layout = layoutFor(session, merged, warnings);
  const metadata = merged ?? standIn(session, layout, warnings);
  for (const [name, reason] of Object.entries(metadata.missing)) {
    if (!name.startsWith("per_cpu/") && !name.startsWith("events/")) warnings.push(`the guest gave no ${name}: ${reason}`);
  }
  const streams = spool.streams().map((stream) => cut(stream, session, end, layout, warnings));
  const recording: Recording = {
    metadata,
    layout,
    cpus: Math.max(metadata.cpus, 1, ...streams.map(({ cpu }) => cpu + 1)),
    streams,
    version: `trace-agent ${version}`,
    traceId: session.traceId,
  };
  return { recording, warnings };
}

function readOr(spool: Spool, when: "start" | "end", warnings: string[]): Metadata | undefined {
  try {
    return spool.readMetadata(when);
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    warnings.push(error.text);
    return undefined;
  }
}

/** What of a spooled stream belongs to the recording. */
function cut(
  { cpu, path, bytes }: SpooledStream,
  session: SpoolSession,
  end: SpoolEnd | undefined,
  layout: SubBufferLayout,
  warnings: string[],
): RecordedStream {
  const from = session.start?.streams.find((stream) => stream.cpu === cpu)?.bytes ?? 0;
  const to = end?.stop?.streams.find((stream) => stream.cpu === cpu)?.bytes;
  const told = to === undefined ? undefined : to - from;
  if (told !== undefined && told > bytes) warnings.push(`CPU ${cpu}: ${told - bytes} bytes of the guest did not arrive`);
  const skipBytes = told === undefined || told < 0 || told >= bytes ? 0 : bytes - told;
  const rest = (bytes - skipBytes) % layout.sizeBytes;
  if (rest !== 0 && to !== undefined) warnings.push(`CPU ${cpu}: the stream ends with ${rest} bytes of a sub-buffer, left out`);
  return { cpu, path, skipBytes, bytes: bytes - skipBytes - rest };
}

function layoutFor(session: SpoolSession, metadata: Metadata | undefined, warnings: string[]): SubBufferLayout {
  const told = session.hello === undefined ? layoutOf(4096, 8) : layoutOf(session.hello.subBufferSize, session.hello.longSize === 4 ? 4 : 8);
  const text = metadata?.files["events/header_page"];
  if (text === undefined) return told;
  const described = parseHeaderPage(text);
  if (described === undefined) warnings.push("the guest's header_page is not understood");
  else if (described.sizeBytes !== told.sizeBytes && session.hello !== undefined) {
    warnings.push(`the guest says its sub-buffers have ${told.sizeBytes} bytes, and its header_page ${described.sizeBytes}`);
  }
  return described ?? told;
}

/** Enough for readers to open the file and count events. */
function standIn(session: SpoolSession, layout: SubBufferLayout, warnings: string[]): Metadata {
  warnings.push("no metadata: the file has no event formats, no task names and no symbols; complete it with --metadata FILE");
  const { longBytes, headerBytes, sizeBytes } = layout;
  const page = [
    `\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n`,
    `\tfield: local_t commit;\toffset:8;\tsize:${longBytes};\tsigned:1;\n`,
    `\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n`,
    `\tfield: char data;\toffset:${headerBytes};\tsize:${sizeBytes - headerBytes};\tsigned:1;\n`,
  ].join("");
  return {
    version: 1,
    uname: session.hello === undefined ? "unknown" : `Linux ${session.hello.kernel} ${session.hello.machine}`,
    cpus: 1,
    pageSize: layout.sizeBytes,
    subBufferSize: layout.sizeBytes,
    files: { "events/header_page": page, trace_clock: `[${session.hello?.clock ?? "local"}]\n` },
    missing: {},
  };
}
