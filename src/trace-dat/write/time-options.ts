/**
 * The options that put recordings of a host and its guests on one timeline: GUEST in the host's file, TIME_SHIFT in each
 * guest's (trace-cmd.dat.v7(5), trace-cmd's trace-input.c and trace-vm.c; read/time-options.ts reads them).
 */
import type { GuestMap, TimeShift } from "../../events/trace-metadata.ts";
import { OptionId, timeShiftInterpolated } from "../format.ts";
import { Bytes, option } from "./bytes.ts";

/** The guest's name and NUL, u64 id of its recording, u32 CPUs, as many { u32 CPU, u32 the host's task that runs it }. */
export function guestOption({ name, traceId, tasks }: GuestMap, littleEndian = true): Uint8Array {
  const data = new Bytes(littleEndian).cString(name).u64(traceId).u32(tasks.length);
  for (const [cpu, task] of tasks.entries()) data.u32(cpu).u32(task >>> 0);
  return option(OptionId.guest, data.take(), littleEndian);
}

/**
 * u64 id of the host's recording, u32 flags, u32 CPUs; per CPU u32 samples, then as many s64 times, offsets and scalings; then
 * per CPU as many s64 fraction bits. All CPUs have as many samples: trace-cmd reads the last part as if they had.
 */
export function timeShiftOption({ hostTraceId, interpolated, samples }: TimeShift, littleEndian = true): Uint8Array {
  const data = new Bytes(littleEndian).u64(hostTraceId);
  data.u32(interpolated ? timeShiftInterpolated : 0).u32(samples.length);
  for (const ofCpu of samples) {
    data.u32(ofCpu.length);
    for (const { time } of ofCpu) data.u64(time);
    for (const { offset } of ofCpu) data.u64(offset);
    for (const { scaling } of ofCpu) data.u64(scaling);
  }
  for (const ofCpu of samples) for (const { fractionBits } of ofCpu) data.u64(fractionBits);
  return option(OptionId.timeShift, data.take(), littleEndian);
}
