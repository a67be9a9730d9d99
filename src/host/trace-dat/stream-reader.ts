/** Reads a recorded stream from its spool file, some whole sub-buffers at a time. */
import { closeSync, openSync, readSync } from "node:fs";
import { AgentError } from "../../errors.ts";
import type { RecordedStream } from "./recording.ts";

/** Gives pieces of `chunkBytes`, the last one shorter. A piece is valid until the next one is asked for. */
export function* readStream(stream: RecordedStream, chunkBytes: number): Generator<Uint8Array> {
  const buffer = new Uint8Array(Math.min(chunkBytes, stream.bytes));
  const fd = openSync(stream.path, "r");
  try {
    for (let done = 0; done < stream.bytes; ) {
      const wanted = Math.min(buffer.length, stream.bytes - done);
      for (let filled = 0; filled < wanted; ) {
        const count = readSync(fd, buffer, filled, wanted - filled, stream.skipBytes + done + filled);
        if (count === 0) throw new AgentError("io", `cannot read "${stream.path}": it is shorter than it was`);
        filled += count;
      }
      done += wanted;
      yield buffer.subarray(0, wanted);
    }
  } finally {
    closeSync(fd);
  }
}

/** The multiple of the sub-buffer size that is nearest below `wanted`, but at least one. */
export function chunkSize(wanted: number, subBufferBytes: number): number {
  return Math.max(subBufferBytes, wanted - (wanted % subBufferBytes));
}
