/** A recording that is not a trace.dat yet, as a source of events: metadata as the guest gives it, streams in files. */
import { closeSync, openSync, readSync } from "node:fs";
import { AgentError } from "../errors.ts";
import type { SubBufferReader, TraceSource } from "../kernel/trace-source.ts";
import { log } from "../log.ts";
import { traceMetadata } from "../protocol/trace-metadata.ts";
import { spooledRecording } from "./finish.ts";
import { Spool } from "./spool.ts";
import { type RecordedStream, type Recording, streamOf } from "./trace-dat/recording.ts";

/** The directory that a recorder leaves when it is killed. Throws an AgentError. */
export function openSpool(path: string): TraceSource {
  const spool = Spool.open(path);
  const { recording, warnings } = spooledRecording(spool);
  for (const warning of warnings) log.warn(warning);
  const source = recordingSource(recording);
  return {
    ...source,
    close: () => {
      source.close();
      spool.close();
    },
  };
}

export function recordingSource(recording: Recording): TraceSource {
  const { metadata, layout } = recording;
  const cpus = Array.from({ length: recording.cpus }, (_, cpu) => cpu);
  const fds: number[] = [];
  return {
    metadata: traceMetadata(metadata, layout, recording.cpus),
    cpus,
    totalBytes: recording.streams.reduce((sum, { bytes }) => sum + bytes, 0),
    open: () =>
      cpus.map((cpu): SubBufferReader => {
        const stream = streamOf(recording, cpu);
        if (stream === undefined) return { cpu, read: () => 0 };
        const fd = openSync(stream.path, "r");
        fds.push(fd);
        return streamReader(stream, fd);
      }),
    close: () => {
      for (const fd of fds.splice(0)) closeSync(fd);
    },
  };
}

function streamReader(stream: RecordedStream, fd: number): SubBufferReader {
  let position = stream.skipBytes;
  const end = stream.skipBytes + stream.bytes;
  return {
    cpu: stream.cpu,
    read: (target) => {
      const want = Math.min(target.length, end - position);
      let got = 0;
      while (got < want) {
        const count = readSync(fd, target, got, want - got, position + got);
        if (count === 0) throw new AgentError("io", `cannot read "${stream.path}": it is shorter than it was`);
        got += count;
      }
      position += got;
      return got;
    },
  };
}
