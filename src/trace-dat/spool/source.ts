/** A recording that is not a trace.dat yet, as a source of events: metadata as the guest gives it, streams in files. */
import { AgentError } from "../../base/errors.ts";
import type { SubBufferReader, TraceSource } from "../trace-source.ts";
import { log } from "../../base/log.ts";
import { spooledRecording } from "./finish.ts";
import { Spool } from "./spool.ts";
import { type Recording, streamOf } from "../write/recording.ts";
import { StreamFile } from "../write/stream-file.ts";

/** The directory that a recorder leaves when it is killed. Throws an AgentError. */
export function openSpool(path: string): TraceSource {
  const spool = Spool.open(path);
  try {
    if (!spool.isOne) {
      throw new AgentError("input", `cannot read "${path}": it is a directory, and not one that a recorder left`, {
        remedy: "name a trace.dat, or the FILE.spool of a recording that was not finished",
      });
    }
    const { recording, findings, notes } = spooledRecording(spool);
    for (const warning of [...findings.warnings, ...findings.damage, ...findings.mismatches]) log.warn(warning);
    for (const note of notes) log.info(note);
    const source = recordingSource(recording);
    return {
      ...source,
      isDamaged: findings.damage.length > 0,
      close: () => {
        source.close();
        spool.close();
      },
    };
  } catch (error) {
    spool.close();
    throw error;
  }
}

export function recordingSource(recording: Recording): TraceSource {
  const { metadata, layout } = recording;
  const cpus = Array.from({ length: recording.cpus }, (_, cpu) => cpu);
  const files: StreamFile[] = [];
  return {
    metadata: { ...metadata, layout, traceId: recording.traceId },
    cpus,
    open: () =>
      cpus.map((cpu): SubBufferReader => {
        const stream = streamOf(recording, cpu);
        if (stream === undefined) return { cpu, read: () => 0 };
        const file = new StreamFile(stream);
        files.push(file);
        const place = { taken: 0, bytes: stream.bytes };
        const read: SubBufferReader["read"] = (target) => {
          const count = file.readAt(target, place.taken);
          place.taken += count;
          return count;
        };
        return { cpu, place, read };
      }),
    close: () => {
      for (const file of files.splice(0)) file.close();
    },
  };
}
