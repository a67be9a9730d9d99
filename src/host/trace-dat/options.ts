/** The options of a trace.dat: what is not needed to decode it, but worth knowing. The same ids in v6 and v7. */
import { Bytes } from "./bytes.ts";
import type { Recording } from "./recording.ts";

export const optionId = {
  done: 0,
  cpuStat: 2,
  buffer: 3,
  traceClock: 4,
  uname: 5,
  cpuCount: 8,
  version: 9,
  traceId: 11,
} as const;

export function option(id: number, data: Uint8Array): Uint8Array {
  return new Bytes().u16(id).u32(data.length).raw(data).take();
}

/** TRACECLOCK is always among them: v6 then has a clock section, which KernelShark and trace-cmd expect. */
export function describingOptions(recording: Recording): Uint8Array[] {
  const { metadata, cpus, version, traceId } = recording;
  const text = (id: number, value: string): Uint8Array => option(id, new Bytes().cString(value).take());
  const options = [
    text(optionId.traceClock, metadata.files["trace_clock"] ?? "[local]\n"),
    text(optionId.uname, metadata.uname),
    text(optionId.version, version),
    option(optionId.traceId, new Bytes().u64(traceId).take()),
    option(optionId.cpuCount, new Bytes().u32(cpus).take()),
  ];
  for (let cpu = 0; cpu < cpus; cpu++) {
    const stats = metadata.files[`per_cpu/cpu${cpu}/stats`];
    if (stats !== undefined) options.push(text(optionId.cpuStat, `CPU: ${cpu}\n${stats}`));
  }
  return options;
}

/** The name in brackets of trace_clock. */
export function clockName(recording: Recording): string {
  return /\[([\w-]{1,32})\]/.exec(recording.metadata.files["trace_clock"] ?? "")?.[1] ?? "local";
}
