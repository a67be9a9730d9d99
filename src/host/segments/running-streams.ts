/** The streams of a machine as those see them who watch it (machines/running-recorder.ts). */
import { StreamFile } from "../../trace-dat/write/stream-file.ts";
import type { RunningStream } from "../machines/running-recorder.ts";
import type { MachineStream } from "./machine-stream.ts";

export function runningStreams(stream: MachineStream): RunningStream[] {
  const { oldest, whole } = stream;
  return stream.streams(oldest, whole).map(({ cpu, skipBytes: from, bytes, ...place }) => {
    const to = from + bytes;
    return {
      cpu,
      from,
      to,
      readAt: (target, position) => {
        const wanted = Math.min(target.length, to - position);
        if (wanted <= 0 || position < from) return 0;
        const file = new StreamFile({ cpu, skipBytes: position, bytes: wanted, ...place });
        try {
          return file.readAt(target, 0);
        } finally {
          file.close();
        }
      },
    };
  });
}
