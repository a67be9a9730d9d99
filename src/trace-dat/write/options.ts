/** The options of a trace.dat: what is not needed to decode it, but worth knowing. The same ids in v6 and v7. */
import { OptionId } from "../format.ts";
import type { Bytes } from "./bytes.ts";
import type { Recording } from "./recording.ts";
import { putGuest, putTimeShift } from "./time-options.ts";

/** Puts them behind what is in `bytes`. TRACECLOCK is always among them: v6 then has a clock section, which KernelShark and trace-cmd expect. */
export function putDescribingOptions(bytes: Bytes, recording: Recording): void {
  const { metadata, cpus, version, traceId } = recording;
  const text = (id: number, value: string): Bytes => bytes.option(id, (own) => own.cString(value));
  text(OptionId.traceClock, metadata.traceClock ?? "[local]\n");
  text(OptionId.uname, metadata.uname);
  text(OptionId.version, version);
  bytes.option(OptionId.traceId, (own) => own.u64(traceId));
  bytes.option(OptionId.cpuCount, (own) => own.u32(cpus));
  for (const { cpu, text: stats } of metadata.cpuStats) if (cpu < cpus) text(OptionId.cpuStat, `CPU: ${cpu}\n${stats}`);
  for (const guest of recording.guests ?? []) putGuest(bytes, guest);
  if (recording.timeShift !== undefined) putTimeShift(bytes, recording.timeShift);
}
