/** The packets of a Perfetto trace other than events (protos/perfetto/trace/trace_packet.proto). */
import type { CpuStats } from "../../tracefs/cpu-stats.ts";
import type { GenericDescriptor } from "./event-encoder.ts";
import type { ProtoWriter } from "./proto-writer.ts";

export const Packet = {
  ftraceEvents: 1,
  processTree: 2,
  timestamp: 8,
  trackEvent: 11,
  sequenceId: 10,
  internedData: 12,
  sequenceFlags: 13,
  ftraceStats: 34,
  systemInfo: 45,
  trackDescriptor: 60,
  clockSnapshot: 6,
  machineId: 98,
  traceAttributes: 126,
  remoteClockSync: 107,
} as const;
export const Bundle = { cpu: 1, event: 2, lostEvents: 3, genericDescriptors: 11 } as const;

/** Field of Trace. */
const tracePacket = 1;
/** All packets of events are of one sequence, because numbers refer to names within a sequence. */
const sequenceOfEvents = 1;
const flagsCleared = 1;
const flagsNeeded = 2;
/** Of a list of machines: the names of all that one trace holds. */
const attributeChars = 4096;
export const lengthWidth = 4;

/**
 * Writes one packet: `body` between the fields that all packets have. `machine`: 0 is the one whose clock the trace has. What
 * numbers refer to is forgotten at the first packet of a machine, and of a sequence.
 */
export function packet(
  out: ProtoWriter,
  { machine, first, sequence = sequenceOfEvents }: { machine: number; first: boolean; sequence?: number },
  body: () => void,
): void {
  out.reserve(256);
  const start = out.begin(tracePacket, lengthWidth);
  body();
  out.reserve(64);
  out.uint(Packet.sequenceId, sequence);
  out.uint(Packet.sequenceFlags, first ? flagsCleared | flagsNeeded : flagsNeeded);
  if (machine !== 0) out.uint(Packet.machineId, machine);
  out.end(start, lengthWidth);
}

/** Names of functions that events of this packet refer to by number. */
export function internedSymbols(out: ProtoWriter, names: readonly { number: number; name: string }[]): void {
  if (names.length === 0) return;
  const data = out.begin(Packet.internedData, lengthWidth);
  for (const { number, name } of names) {
    out.reserve(name.length + 32);
    const entry = out.begin(26, 2);
    out.uint(1, number);
    out.text(2, name);
    out.end(entry, 2);
  }
  out.end(data, lengthWidth);
}

export function genericDescriptor(out: ProtoWriter, { number, system, name, fields }: GenericDescriptor): void {
  out.reserve(256 + fields.reduce((sum, field) => sum + field.name.length + 32, 0) + name.length + system.length);
  const entry = out.begin(Bundle.genericDescriptors, 3);
  out.uint(1, number);
  const descriptor = out.begin(2, 3);
  out.text(1, name);
  for (const [index, field] of fields.entries()) {
    const start = out.begin(2, 2);
    out.text(1, field.name);
    out.uint(3, index + 1);
    // LABEL_OPTIONAL.
    out.uint(4, 1);
    out.uint(5, field.type);
    out.end(start, 2);
  }
  out.end(descriptor, 3);
  out.text(3, system);
  out.end(entry, 3);
}

export type Machine = { sysname: string; nodename: string; release: string; version: string; machine: string };

/** uname -a, or parts of it: "Linux host 6.12.1 #1 SMP x86_64 GNU/Linux", "Linux 6.12.1 #1 SMP x86_64". */
export function parseUname(text: string): Machine {
  const words = text.trim().split(/\s+/);
  const isRelease = (word: string): boolean => /^\d+\.\d+/.test(word);
  // A node may be named "10.0.0.5".
  const release = isRelease(words[2] ?? "") ? 2 : words.findIndex(isRelease);
  const machine = words.findLastIndex((word) =>
    /^(?:x86_64|aarch64|arm\w*|i[3-6]86|riscv\d*|s390x?|ppc\w*|mips\w*|loongarch\d*)$/.test(word),
  );
  if (release < 0)
    return { sysname: words[0] ?? "", nodename: "", release: "", version: "", machine: words[machine] ?? "" };
  return {
    sysname: words[0] ?? "",
    nodename: release > 1 ? (words[1] ?? "") : "",
    release: words[release] ?? "",
    version: words.slice(release + 1, machine > release ? machine : undefined).join(" "),
    machine: words[machine] ?? "",
  };
}

export function systemInfo(out: ProtoWriter, machine: Machine, cpus: number, name: string): void {
  const info = out.begin(Packet.systemInfo, lengthWidth);
  out.reserve(1024);
  const names = out.begin(1, 2);
  out.text(1, machine.sysname.slice(0, 256));
  out.text(2, machine.version.slice(0, 256));
  out.text(3, machine.release.slice(0, 256));
  out.text(4, machine.machine.slice(0, 256));
  out.end(names, 2);
  out.uint(8, cpus);
  if (name !== "") out.text(17, name.slice(0, 256));
  out.end(info, lengthWidth);
}

/** Words about the trace, which trace_processor has in its table metadata as trace_attribute.KEY. */
export function traceAttributes(out: ProtoWriter, attributes: ReadonlyMap<string, string>): void {
  const all = out.begin(Packet.traceAttributes, lengthWidth);
  for (const [key, value] of attributes) {
    const text = value.slice(0, attributeChars);
    out.reserve(key.length + text.length * 3 + 16);
    const attribute = out.begin(1, 3);
    out.text(1, key);
    out.text(3, text);
    out.end(attribute, 3);
  }
  out.end(all, lengthWidth);
}

export type KernelCounts = { cpu: number } & CpuStats;

/** The kernel's own counts, at the beginning (phase 1) or at the end (2) of the recording. */
export function ftraceStats(out: ProtoWriter, phase: 1 | 2, counts: readonly KernelCounts[]): void {
  const stats = out.begin(Packet.ftraceStats, lengthWidth);
  out.uint(1, phase);
  for (const count of counts) {
    out.reserve(128);
    const cpu = out.begin(2, 2);
    out.uint(1, count.cpu);
    out.uint(2, count.entries);
    out.uint(3, count.overrun);
    out.uint(4, count.commitOverrun);
    out.uint(5, count.bytes);
    out.uint(8, count.droppedEvents);
    out.uint(9, count.readEvents);
    out.end(cpu, 2);
  }
  out.end(stats, lengthWidth);
}

export type Task = { pid: number; tgid: number; name: Uint8Array };

/** Threads with their names; a process for each thread group. */
export function processTree(out: ProtoWriter, tasks: readonly Task[]): void {
  const tree = out.begin(Packet.processTree, lengthWidth);
  for (const { pid, tgid, name } of tasks) {
    out.reserve(name.length * 2 + 96);
    if (pid === tgid) {
      const process = out.begin(1, 2);
      out.uint(1, pid);
      out.bytesField(3, name);
      out.end(process, 2);
    }
    const thread = out.begin(2, 2);
    out.uint(1, pid);
    out.bytesField(2, name);
    out.uint(3, tgid);
    out.end(thread, 2);
  }
  out.end(tree, lengthWidth);
}

/** BuiltinClock.BUILTIN_CLOCK_BOOTTIME: what all of our time stamps are taken for. */
const bootTime = 6;

function clockSnapshot(out: ProtoWriter, field: number, nanoseconds: bigint): void {
  const snapshot = out.begin(field, 2);
  const clock = out.begin(1, 2);
  out.uint(1, bootTime);
  out.bigint(2, nanoseconds);
  out.end(clock, 2);
  if (field === Packet.clockSnapshot) out.uint(2, bootTime);
  out.end(snapshot, 2);
}

/** The trace's clock, at a time of the first machine. */
export function traceClock(out: ProtoWriter, nanoseconds: bigint): void {
  out.reserve(128);
  clockSnapshot(out, Packet.clockSnapshot, nanoseconds);
}

/**
 * A further machine's clock is the trace's: its stamps were converted already. Two equal pairs, since trace_processor takes
 * offsets from neighbours.
 */
export function sameClock(out: ProtoWriter, nanoseconds: bigint): void {
  out.reserve(256);
  const sync = out.begin(Packet.remoteClockSync, 2);
  for (let pairs = 0; pairs < 2; pairs++) {
    const pair = out.begin(1, 2);
    clockSnapshot(out, 2, nanoseconds);
    clockSnapshot(out, 3, nanoseconds);
    out.end(pair, 2);
  }
  out.end(sync, 2);
}
