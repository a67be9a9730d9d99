/**
 * A recording -> a Perfetto trace (protos/perfetto/trace/trace.proto): every event, in one bundle per CPU and sub-
 * buffer, written while they are read. Memory does not grow with the recording.
 */
import { counted } from "../../base/plural.ts";
import { EventCatalog } from "../../events/event-catalog.ts";
import { blockBytesFor, CpuEvents, firstTimestamp } from "../../timeline/event-merge.ts";
import { MachineClock } from "../../timeline/machine-clock.ts";
import { eventLimits } from "../../events/limits.ts";
import { forEachTaskLine } from "../../events/saved-names.ts";
import { EventRecord } from "../../events/event-record.ts";
import type { TraceSource } from "../../trace-dat/trace-source.ts";
import { clockOf } from "../../tracefs/trace-clocks.ts";
import { noStats, parseCpuStats } from "../../tracefs/cpu-stats.ts";
import type { Export, ExportResult } from "../exporter.ts";
import { viewLimits } from "../limits.ts";
import { lossText } from "../loss-text.ts";
import { EventEncoder } from "./event-encoder.ts";
import { KernelSymbols } from "./kernel-symbols.ts";
import {
  Bundle,
  ftraceStats,
  genericDescriptor,
  internedSymbols,
  type KernelCounts,
  lengthWidth,
  Packet,
  packet,
  parseUname,
  processTree,
  sameClock,
  systemInfo,
  traceAttributes,
  traceClock,
  type Task,
} from "./packets.ts";
import { ProtoWriter } from "./proto-writer.ts";

/** Bytes are handed on in pieces of this size. */
const flushBytes = 1024 * 1024;
/** Events whose fields all show the same bytes take many times their size: then a sub-buffer makes several bundles. */
const bundleBytesMax = 4 * 1024 * 1024;
/** trace_processor accepts CPUs below this. */
const cpusMost = 1024;
/** Tasks that are named in one packet. */
const tasksPerPacket = 1000;

/** Of several in one trace: the first has number 0, and no name of its own elsewhere. */
export type PerfettoMachine = { number: number; name: string };

export class PerfettoExport implements Export {
  /** Totals of what was written so far. */
  readonly counts = {
    events: 0,
    lostEvents: 0,
    unknownLosses: 0,
    damagedSubBuffers: 0,
    skippedCpus: 0,
  };
  readonly #sources: readonly TraceSource[];
  readonly #source: TraceSource;
  readonly #machine: PerfettoMachine | undefined;
  readonly #catalog: EventCatalog;
  readonly #encoder: EventEncoder;
  readonly #symbols: KernelSymbols;
  readonly #out = new ProtoWriter(flushBytes * 2);
  readonly #write: (bytes: Uint8Array) => void;
  readonly #record = new EventRecord();
  readonly #first: bigint;
  readonly #clock: MachineClock;
  readonly #stats: readonly KernelCounts[];
  /** CPUs with events left. */
  #cpus: CpuEvents[];
  /** Tasks that had events, and whether an event named them. */
  readonly #seen = new Set<number>();

  /** `sources`: the ring buffers of one machine, at least one. */
  constructor(
    sources: readonly [TraceSource, ...TraceSource[]],
    write: (bytes: Uint8Array) => void,
    machine?: PerfettoMachine,
    attributes: ReadonlyMap<string, string> = new Map(),
  ) {
    const [source] = sources;
    this.#sources = sources;
    this.#source = source;
    this.#machine = machine;
    this.#write = write;
    this.#catalog = new EventCatalog(source.metadata);
    this.#symbols = new KernelSymbols(this.#catalog.symbols);
    this.#first = sources
      .map((one) => firstTimestamp(one.open(), one.metadata.layout))
      .reduce((least, first) => (first < least ? first : least));
    this.#clock = new MachineClock(source.metadata, this.#first);
    this.#encoder = new EventEncoder(this.#catalog, this.#symbols, this.#clock.epoch);
    this.#stats = source.metadata.cpuStats.map(({ cpu, text }) => Object.assign({ cpu }, noStats, parseCpuStats(text)));
    this.#begin(attributes);
    this.#cpus = this.#open();
  }

  /** The CPU with the earliest next sub-buffer comes next, so that the file is roughly ordered by time. */
  step(isFull: () => boolean): boolean {
    const endMs = performance.now() + viewLimits.sliceMs;
    while (this.#cpus.length > 0) {
      const earliest = this.#cpus.reduce((best, cpu) => (cpu.timestamp < best.timestamp ? cpu : best));
      this.#bundle(earliest);
      if (earliest.ended) this.#cpus = this.#cpus.filter((cpu) => cpu !== earliest);
      if (this.#out.length >= flushBytes) this.#flush();
      if (performance.now() >= endMs || isFull()) return this.#cpus.length > 0;
    }
    return false;
  }

  finish(endedBy?: string): ExportResult {
    this.#tasks();
    if (this.#stats.length > 0) this.#packet(() => ftraceStats(this.#out, 2, this.#stats));
    this.#flush();
    const { events, damagedSubBuffers, skippedCpus } = this.counts;
    const { unknownEvents } = this.#encoder;
    const warnings: string[] = [];
    // Perfetto takes all time stamps for ns.
    if (!this.#clock.inNanoseconds) {
      warnings.push(
        `the clock "${clockOf(this.#source.metadata)}" does not count ns: durations in Perfetto will be wrong`,
      );
    }
    if (endedBy !== undefined) warnings.push(`ended by ${endedBy}: the events from here on are left out`);
    if (unknownEvents > 0)
      warnings.push(`left out: ${counted(unknownEvents, "event")} without a format in the recording`);
    if (damagedSubBuffers > 0)
      warnings.push(`${counted(damagedSubBuffers, "sub-buffer")} could not be read to the end`);
    if (skippedCpus > 0) warnings.push(`left out: ${counted(skippedCpus, "CPU")}, since Perfetto takes ${cpusMost}`);
    return {
      isWhole: damagedSubBuffers === 0,
      warnings,
      amount: `${events} events, ${lossText(this.counts)} lost before they were recorded`,
    };
  }

  /** Packets before all events. */
  #begin(attributes: ReadonlyMap<string, string>): void {
    const out = this.#out;
    const { metadata, cpus } = this.#source;
    const uname = parseUname(metadata.uname);
    const machine = this.#machine;
    const { epoch } = this.#clock;
    const now = epoch < 0n ? 0n : BigInt.asUintN(64, epoch);
    // Of several machines the first one's clock is the trace's, to which all others were converted.
    if (machine?.number === 0) this.#packet(() => traceClock(out, now), true);
    const isFirst = machine?.number !== 0;
    this.#packet(() => systemInfo(out, uname, cpus.length, machine?.name ?? uname.nodename), isFirst);
    if (machine !== undefined && machine.number > 0) this.#packet(() => sameClock(out, now));
    if (attributes.size > 0) this.#packet(() => traceAttributes(out, attributes));
    if (this.#stats.length === 0) return;
    const none = this.#stats.map(({ cpu }) => ({ cpu, ...noStats }));
    this.#packet(() => ftraceStats(out, 1, none));
  }

  #packet(body: () => void, first = false): void {
    packet(this.#out, { machine: this.#machine?.number ?? 0, first }, body);
  }

  #open(): CpuEvents[] {
    const listener = { damaged: () => void this.counts.damagedSubBuffers++ };
    return this.#sources.flatMap((one) => {
      const { metadata } = one;
      const all = one.open();
      const readers = all.filter(({ cpu }) => cpu < cpusMost);
      this.counts.skippedCpus += all.length - readers.length;
      const block = blockBytesFor(readers.length * this.#sources.length);
      const clock = new MachineClock(metadata, this.#first);
      // All count from the first one's epoch.
      const ahead = Number(clock.epoch - this.#clock.epoch);
      return readers
        .map((reader) => {
          const own = clock.converter(reader.cpu);
          const convert = ahead === 0 ? own : (stamp: number): number => (own?.(stamp) ?? stamp) + ahead;
          return new CpuEvents(reader, metadata.layout, this.#first, listener, convert, block);
        })
        .filter((cpu) => cpu.next());
    });
  }

  #bundle(cpu: CpuEvents): void {
    const out = this.#out;
    const record = this.#record;
    this.#packet(() => {
      const bundle = out.begin(Packet.ftraceEvents, lengthWidth);
      out.uint(Bundle.cpu, cpu.cpu);
      if (cpu.lostEvents !== 0) {
        out.uint(Bundle.lostEvents, 1);
        if (cpu.lostEvents > 0) this.counts.lostEvents += cpu.lostEvents;
        else this.counts.unknownLosses++;
        cpu.lostEvents = 0;
      }
      record.attach(cpu.view);
      record.cpu = cpu.cpu;
      const { subBuffers, cursor } = cpu;
      do {
        record.at = cursor.dataOffset;
        record.size = cursor.dataBytes;
        record.timestamp = cpu.timestamp;
        if (this.#encoder.encode(record, out, Bundle.event)) this.counts.events++;
        if (this.#seen.size < eventLimits.taskNames) this.#seen.add(this.#catalog.pidOf(record));
      } while (cpu.next() && cpu.subBuffers === subBuffers && out.length - bundle < bundleBytesMax);
      for (const descriptor of this.#encoder.newDescriptors.splice(0)) genericDescriptor(out, descriptor);
      out.end(bundle, lengthWidth);
      internedSymbols(out, this.#symbols.newNames.splice(0));
    });
  }

  /**
   * Names of tasks that the recording knows beside its events. Without the thread groups (saved_tgids) only tasks
   * that no scheduling event can name are written, each as a process of its own.
   */
  #tasks(): void {
    const { savedTgids = "" } = this.#source.metadata;
    const groups = new Map<number, number>();
    forEachTaskLine(savedTgids, (pid, tgid) => {
      if (this.#catalog.tasks.has(pid) && /^\d{1,10}$/.test(tgid)) groups.set(pid, Number(tgid));
    });
    const named = this.#encoder.wrote(this.#catalog.find("sched", "sched_switch"));
    const tasks: Task[] = [];
    for (const pid of new Set([...this.#seen, ...groups.keys()])) {
      const tgid = groups.get(pid) ?? (named ? 0 : pid);
      const name = this.#catalog.tasks.get(pid);
      if (pid > 0 && tgid > 0 && this.#catalog.tasks.has(pid)) tasks.push({ pid, tgid, name });
    }
    for (let at = 0; at < tasks.length; at += tasksPerPacket) {
      this.#packet(() => {
        const { epoch } = this.#clock;
        this.#out.bigint(Packet.timestamp, epoch < 0n ? 0n : BigInt.asUintN(64, epoch));
        processTree(this.#out, tasks.slice(at, at + tasksPerPacket));
      });
      if (this.#out.length >= flushBytes) this.#flush();
    }
  }

  #flush(): void {
    if (this.#out.length > 0) this.#write(this.#out.bytes.subarray(0, this.#out.length));
    this.#out.length = 0;
  }
}
