/** The options of a trace.dat: what is not needed to decode it, but worth knowing. The same ids in v6 and v7. */
import { OptionId } from "../format.ts";
import { Bytes, option } from "./bytes.ts";
import type { Recording } from "./recording.ts";
import { guestOption, timeShiftOption } from "./time-options.ts";

/** TRACECLOCK is always among them: v6 then has a clock section, which KernelShark and trace-cmd expect. */
export function describingOptions(recording: Recording): Uint8Array[] {
  const { metadata, cpus, version, traceId } = recording;
  const text = (id: number, value: string): Uint8Array => option(id, new Bytes().cString(value).take());
  const options = [
    text(OptionId.traceClock, metadata.traceClock ?? "[local]\n"),
    text(OptionId.uname, metadata.uname),
    text(OptionId.version, version),
    option(OptionId.traceId, new Bytes().u64(traceId).take()),
    option(OptionId.cpuCount, new Bytes().u32(cpus).take()),
  ];
  for (const { cpu, text: stats } of metadata.cpuStats)
    if (cpu < cpus) options.push(text(OptionId.cpuStat, `CPU: ${cpu}\n${stats}`));
  for (const guest of recording.guests ?? []) options.push(guestOption(guest));
  if (recording.timeShift !== undefined) options.push(timeShiftOption(recording.timeShift));
  return options;
}
