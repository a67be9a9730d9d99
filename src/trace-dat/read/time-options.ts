/**
 * The options that tell how a recording's stamps become times: DATE, OFFSET, TIME_SHIFT, TSC2NSEC (trace-cmd.dat.v6(5),
 * .v7(5)); and GUEST, which tells what runs a guest's CPUs. Their layout is the same in both versions.
 */
import { AgentError } from "../../base/errors.ts";
import type { GuestMap, TimeSample, TimeShift, TraceMetadata } from "../../events/trace-metadata.ts";
import { tracefsLimits } from "../../tracefs/limits.ts";
import { OptionId, timeShiftInterpolated } from "../format.ts";
import { traceDatLimits } from "../limits.ts";
import { FileCursor } from "./cursor.ts";
import { memoryFile } from "./file.ts";
import type { Option } from "./tables.ts";

export type TimeOptions = Pick<TraceMetadata, "timeOffset" | "timeShift" | "ticks" | "guests" | "traceId">;

/** trace-cmd passes over a shorter one. */
const leastTimeShiftBytes = 16;
const microsecond = 1000n;
/** A number that is text has no more, with its blanks. */
const integerChars = 64;

/** `warnings` is told of options that are not understood; the times are shown without them. */
export function readTimeOptions(options: readonly Option[], littleEndian: boolean, warnings: string[]): TimeOptions {
  const result: { -readonly [Name in keyof TimeOptions]: TimeOptions[Name] } = {};
  let timeOffset = 0n;
  const guests: GuestMap[] = [];
  for (const { id, bytes } of options) {
    const cursor = new FileCursor(memoryFile("", bytes), littleEndian);
    try {
      if (id === OptionId.date) timeOffset += parseInteger(bytes) * microsecond;
      else if (id === OptionId.offset) timeOffset += parseInteger(bytes);
      else if (id === OptionId.timeShift && bytes.length >= leastTimeShiftBytes)
        result.timeShift = readTimeShift(cursor);
      else if (id === OptionId.tsc2nsec) result.ticks = readTicks(cursor);
      else if (id === OptionId.guest) guests.push(readGuest(cursor));
      else if (id === OptionId.traceId) result.traceId = cursor.bigint();
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      warnings.push(`option ${id} (${nameOf(id)}) is not understood and was passed over`);
    }
  }
  return { ...result, timeOffset, guests };
}

function nameOf(id: number): string {
  const names: Record<number, string> = {
    [OptionId.timeShift]: "TIME_SHIFT",
    [OptionId.tsc2nsec]: "TSC2NSEC",
    [OptionId.guest]: "GUEST",
    [OptionId.traceId]: "TRACEID",
  };
  return names[id] ?? "";
}

/** As strtoll(3) with base 0: decimal, 0x and hex, 0 and octal; what does not fit is the largest or smallest s64. */
function parseInteger(bytes: Uint8Array): bigint {
  const text = Buffer.from(bytes.subarray(0, integerChars)).toString("latin1");
  const [, sign, hex, octal, decimal] =
    /^\s*([-+]?)(?:0x([0-9a-f]{1,32})|0([0-7]{1,32})|([1-9]\d{0,31}|0))/i.exec(text) ?? [];
  const digits = hex === undefined ? (octal === undefined ? (decimal ?? "0") : `0o${octal}`) : `0x${hex}`;
  const value = sign === "-" ? -BigInt(digits) : BigInt(digits);
  const [least, most] = [-(1n << 63n), (1n << 63n) - 1n];
  return value < least ? least : value > most ? most : value;
}

/** u32 multiplier, u32 shift, u64 offset, which trace-cmd does not apply either. */
function readTicks(cursor: FileCursor): { multiplier: number; shift: number } | undefined {
  const [multiplier, shift] = [cursor.u32(), cursor.u32()];
  if (shift > 32) throw cursor.file.damaged(`a shift of ${shift}`);
  return multiplier === 0 ? undefined : { multiplier, shift };
}

/**
 * u64 id of the host's recording, u32 flags, u32 CPUs; per CPU u32 samples, then as many s64 times, offsets and scalings;
 * then, maybe, per CPU as many s64 fraction bits of the scaling.
 */
function readTimeShift(cursor: FileCursor): TimeShift {
  const hostTraceId = cursor.bigint();
  const interpolated = (cursor.u32() & timeShiftInterpolated) !== 0;
  const cpus = cursor.u32();
  if (cpus > tracefsLimits.cpusMax) throw cursor.file.damaged(`${cpus} CPUs`);
  let all = 0;
  const columns = Array.from({ length: cpus }, () => {
    const count = cursor.u32();
    all += count;
    if (all > traceDatLimits.timeSamplesMax) throw cursor.file.damaged(`${all} samples`);
    return { times: cursor.signed64s(count), offsets: cursor.signed64s(count), scalings: cursor.signed64s(count) };
  });
  const hasFractions = cursor.position < cursor.file.size;
  const samples = columns.map(({ times, offsets, scalings }) => {
    const fractions = hasFractions ? cursor.signed64s(times.length) : [];
    if (fractions.some((bits) => bits < 0n || bits > 63n))
      throw cursor.file.damaged("fractions of other than 0 to 63 bits");
    return sorted(
      times.map((time, index) => ({
        time,
        offset: offsets[index] ?? 0n,
        scaling: scalings[index] ?? 1n,
        fractionBits: fractions[index] ?? 0n,
      })),
    );
  });
  return { hostTraceId, interpolated, samples };
}

/** By time; of those of one time one is kept, as trace-cmd does. */
function sorted(samples: TimeSample[]): TimeSample[] {
  samples.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
  return samples.filter(({ time }, index) => index === 0 || samples[index - 1]?.time !== time);
}

/** The guest's name and NUL, u64 id of its recording, u32 CPUs, as many { u32 CPU, u32 the host's task that runs it }. */
function readGuest(cursor: FileCursor): GuestMap {
  const name = cursor.string(256);
  const traceId = cursor.bigint();
  const count = cursor.u32();
  if (count > tracefsLimits.cpusMax) throw cursor.file.damaged(`${count} CPUs`);
  const tasks = Array.from({ length: count }, () => -1);
  for (let index = 0; index < count; index++) {
    const cpu = cursor.u32();
    if (cpu >= count) throw cursor.file.damaged(`CPU ${cpu} of ${count}`);
    tasks[cpu] = cursor.u32() | 0;
  }
  return { name, traceId, tasks };
}
