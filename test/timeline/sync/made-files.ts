/** Files of made-up recordings. */
import { rmSync, writeFileSync } from "node:fs";
import type { Recording } from "../../../src/trace-dat/write/recording.ts";
import { type TraceDatFormat, writeTraceDat } from "../../../src/trace-dat/write/write.ts";
import { type MadeEvent, madeRecording } from "./made-recording.ts";
import { mulberry, paceOfVcpus } from "./schedules.ts";

export const madeTasks = [101, 102];
export const headerPage = `\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n\tfield: char data;\toffset:16;\tsize:4080;\tsigned:1;\n`;

type Made = { host: MadeEvent[][]; guest: MadeEvent[][] };

/** Two vCPUs for some seconds; `period`: they run at the same times in each, so that the recordings fit in many ways. */
export function made(period = Infinity, seed = 9, ran: readonly number[] = madeTasks, seconds = 2): Made {
  const random = mulberry(seed);
  const host: MadeEvent[][] = [[], []];
  const guest: MadeEvent[][] = [[], []];
  for (const vcpu of [0, 1]) {
    let at = 1_000 * (vcpu + 1);
    while (at < seconds * 1e9) {
      const end = at + (period === Infinity ? paceOfVcpus * (20_000 + 100_000 * random()) : 50_000);
      host[vcpu]?.push({ time: at, type: "sched_switch", first: 0, second: ran[vcpu] ?? 0 });
      host[vcpu]?.push({ time: end, type: "sched_switch", first: ran[vcpu] ?? 0, second: 0 });
      for (const share of [0.005, 0.995])
        guest[vcpu]?.push({ time: at + (end - at) * share, type: "mark", first: 1, second: 2 });
      at = period === Infinity ? end + paceOfVcpus * (50_000 + 300_000 * random()) : at + period;
    }
  }
  return { host, guest };
}

export function write(
  path: string,
  events: MadeEvent[][],
  epoch: bigint,
  more: Partial<Recording> = {},
  format: TraceDatFormat = "v6",
): void {
  const source = madeRecording(events, epoch);
  const streams = source.open().map((reader) => {
    const { cpu } = reader;
    const bytes = new Uint8Array(new ArrayBuffer(1 << 23));
    const size = reader.read(bytes);
    const file = `${path}.cpu${cpu}`;
    writeFileSync(file, bytes.subarray(0, size));
    return { cpu, path: file, skipBytes: 0, bytes: size };
  });
  const { layout, ...metadata } = source.metadata;
  const recording = {
    metadata: { ...metadata, headerPage, headerEvent: "x" },
    layout,
    cpus: events.length,
    streams,
    version: "test",
    traceId: epoch,
  };
  writeTraceDat(path, { ...recording, ...more }, format);
  for (const { path: file } of streams) rmSync(file);
}
