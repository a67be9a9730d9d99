/**
 * A recording -> a Perfetto trace (protos/perfetto/trace/trace.proto): every event, in bundles of a CPU's sub-buffer each,
 * written as they are read. Memory does not grow with the recording.
 */
import { EventCatalog } from "../../kernel/event-catalog.ts";
import { CpuEvents, firstTimestamp } from "../../kernel/event-merge.ts";
import { EventRecord } from "../../kernel/event-record.ts";
import type { TraceSource } from "../../kernel/trace-source.ts";
import { EventEncoder } from "./event-encoder.ts";
import { KernelSymbols } from "./kernel-symbols.ts";
import {
  Bundle, ftraceStats, genericDescriptor, internedSymbols, lengthWidth, Packet, packet, parseStats, parseUname, processTree, systemInfo, type Task,
} from "./packets.ts";
import { ProtoWriter } from "./proto-writer.ts";

/** Handed on when so much has come together. */
const flushBytes = 1024 * 1024;
/** trace_processor takes CPUs below this. */
const cpusMost = 1024;
/** Tasks that are named in one packet. */
const tasksPerPacket = 1000;

export type ExportResult = { events: number; lostEvents: number; unknownLosses: number; unknownEvents: number; damagedSubBuffers: number; skippedCpus: number };

export class PerfettoExport {
  readonly #source: TraceSource;
  readonly #catalog: EventCatalog;
  readonly #encoder: EventEncoder;
  readonly #symbols: KernelSymbols;
  readonly #out = new ProtoWriter(flushBytes * 2);
  readonly #write: (bytes: Uint8Array) => void;
  readonly #record = new EventRecord();
  readonly #first: bigint;
  readonly #result: ExportResult = { events: 0, lostEvents: 0, unknownLosses: 0, unknownEvents: 0, damagedSubBuffers: 0, skippedCpus: 0 };
  /** Tasks that had events, and whether an event named them. */
  readonly #seen = new Set<number>();

  constructor(source: TraceSource, write: (bytes: Uint8Array) => void) {
    this.#source = source;
    this.#write = write;
    this.#catalog = new EventCatalog(source.metadata);
    this.#symbols = new KernelSymbols(this.#catalog.symbols);
    this.#first = firstTimestamp(source.open(), source.metadata.layout);
    this.#encoder = new EventEncoder(this.#catalog, this.#symbols, this.#first + source.metadata.timeOffset);
  }

  run(progress: (bytes: number) => void = () => {}): ExportResult {
    const { metadata, cpus } = this.#source;
    const out = this.#out;
    const counts = metadata.cpuStats.map((text, index) => parseStats(text, index));
    const machine = parseUname(metadata.uname);
    packet(out, true, () => systemInfo(out, machine, cpus.length, machine.nodename));
    if (counts.length > 0) {
      const none = counts.map(({ cpu }) => ({ cpu, entries: 0, overrun: 0, commitOverrun: 0, bytes: 0, dropped: 0, read: 0 }));
      packet(out, false, () => ftraceStats(out, 1, none));
    }
    this.#bundles(progress);
    this.#tasks();
    if (counts.length > 0) packet(out, false, () => ftraceStats(out, 2, counts));
    this.#flush();
    this.#result.unknownEvents = this.#encoder.unknownEvents;
    return this.#result;
  }

  /** The CPU whose next sub-buffer is the earliest comes next, so that the file is in about the order of time. */
  #bundles(progress: (bytes: number) => void): void {
    const { layout } = this.#source.metadata;
    const all = this.#source.open();
    const readers = all.filter(({ cpu }) => cpu < cpusMost);
    this.#result.skippedCpus = all.length - readers.length;
    const listener = { damaged: () => void this.#result.damagedSubBuffers++ };
    let cpus = readers.map((reader) => new CpuEvents(reader, layout, this.#first, listener)).filter((cpu) => cpu.next());
    let done = 0;
    while (cpus.length > 0) {
      const earliest = cpus.reduce((best, cpu) => (cpu.cursor.timestamp < best.cursor.timestamp ? cpu : best));
      this.#bundle(earliest);
      if (earliest.ended) cpus = cpus.filter((cpu) => cpu !== earliest);
      done += layout.sizeBytes;
      if (this.#out.length < flushBytes) continue;
      this.#flush();
      progress(done);
    }
  }

  #bundle(cpu: CpuEvents): void {
    const out = this.#out;
    const record = this.#record;
    packet(out, false, () => {
      const bundle = out.begin(Packet.ftraceEvents, lengthWidth);
      out.uint(Bundle.cpu, cpu.cpu);
      if (cpu.lostEvents !== 0) {
        out.uint(Bundle.lostEvents, 1);
        if (cpu.lostEvents > 0) this.#result.lostEvents += cpu.lostEvents;
        else this.#result.unknownLosses++;
        cpu.lostEvents = 0;
      }
      record.lieIn(cpu.view);
      record.cpu = cpu.cpu;
      const { subBuffers, cursor } = cpu;
      do {
        record.at = cursor.dataOffset;
        record.size = cursor.dataBytes;
        record.timestamp = cursor.timestamp;
        if (this.#encoder.encode(record, out, Bundle.event)) this.#result.events++;
        this.#seen.add(this.#catalog.pidOf(record));
      } while (cpu.next() && cpu.subBuffers === subBuffers);
      for (const descriptor of this.#encoder.newDescriptors.splice(0)) genericDescriptor(out, descriptor);
      out.end(bundle, lengthWidth);
      internedSymbols(out, this.#symbols.newNames.splice(0));
    });
  }

  /**
   * Names of tasks that the recording knows beside its events. Without the thread groups (saved_tgids) only tasks are
   * told that no scheduling event can name, each as a process of its own.
   */
  #tasks(): void {
    const { savedTgids } = this.#source.metadata;
    const groups = new Map([...savedTgids.matchAll(/^\s*(\d{1,10}) (\d{1,10})$/gm)].map(([, pid, tgid]) => [Number(pid), Number(tgid)]));
    const named = this.#encoder.wrote(this.#catalog.find("sched", "sched_switch"));
    const tasks: Task[] = [];
    for (const pid of new Set([...this.#seen, ...groups.keys()])) {
      const tgid = groups.get(pid) ?? (named ? 0 : pid);
      const name = this.#catalog.tasks.get(pid);
      if (pid > 0 && tgid > 0 && this.#catalog.tasks.has(pid)) tasks.push({ pid, tgid, name });
    }
    for (let at = 0; at < tasks.length; at += tasksPerPacket) {
      packet(this.#out, false, () => {
        const stamp = this.#first + this.#source.metadata.timeOffset;
        this.#out.bigint(Packet.timestamp, BigInt.asUintN(64, stamp));
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
