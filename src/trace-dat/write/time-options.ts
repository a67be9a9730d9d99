/**
 * The options that put recordings of a host and its guests on one timeline: GUEST in the host's file, TIME_SHIFT in each
 * guest's (trace-cmd.dat.v7(5), trace-cmd's trace-input.c and trace-vm.c; read/time-options.ts reads them).
 */
import type { GuestMap, TimeShift } from "../../events/trace-metadata.ts";
import { OptionId, timeShiftInterpolated } from "../format.ts";
import { Bytes } from "./bytes.ts";

/** The guest's name and NUL, u64 id of its recording, u32 CPUs, as many { u32 CPU, u32 the host's task that runs it }. */
export function guestOption(guest: GuestMap, littleEndian = true): Uint8Array {
  return putGuest(new Bytes(littleEndian), guest).take();
}

/** The same behind what is in `bytes`. */
export function putGuest(bytes: Bytes, { name, traceId, tasks }: GuestMap): Bytes {
  return bytes.option(OptionId.guest, (own) => {
    own.cString(name).u64(traceId).u32(tasks.length);
    for (const [cpu, task] of tasks.entries()) own.u32(cpu).u32(task >>> 0);
  });
}

/**
 * u64 id of the host's recording, u32 flags, u32 CPUs; per CPU u32 samples, then as many s64 times, offsets and scalings; then
 * per CPU as many s64 fraction bits. All CPUs have as many samples: trace-cmd reads the last part as if they had.
 */
export function timeShiftOption(shift: TimeShift, littleEndian = true): Uint8Array {
  return putTimeShift(new Bytes(littleEndian), shift).take();
}

/** The same behind what is in `bytes`. */
export function putTimeShift(bytes: Bytes, { hostTraceId, interpolated, samples }: TimeShift): Bytes {
  return bytes.option(OptionId.timeShift, (own) => {
    own.u64(hostTraceId);
    own.u32(interpolated ? timeShiftInterpolated : 0).u32(samples.length);
    for (const ofCpu of samples) {
      own.u32(ofCpu.length);
      for (const { time } of ofCpu) own.u64(time);
      for (const { offset } of ofCpu) own.u64(offset);
      for (const { scaling } of ofCpu) own.u64(scaling);
    }
    for (const ofCpu of samples) for (const { fractionBits } of ofCpu) own.u64(fractionBits);
  });
}
