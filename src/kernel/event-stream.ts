/** The events of a recording that are asked for, in the order of their times, one after the other in the same record. */
import { EventCatalog, type EventKind } from "./event-catalog.ts";
import { CpuEvents, EventMerger, firstTimestamp, type MergeListener } from "./event-merge.ts";
import { EventRecord } from "./event-record.ts";
import { type EventSelection, parseTime, wantedKinds } from "./event-selection.ts";
import type { TraceSource } from "./trace-source.ts";

/** Clocks whose stamps are ns and are shown as seconds; others as they are (trace-cmd's choice). */
export const nanosecondClocks = /^(?:local|global|uptime|perf|tai|mono.*)$/;

export class EventStream {
  readonly catalog: EventCatalog;
  readonly record = new EventRecord();
  /** The first time stamp of the recording, with its offset; the record's stamps count from it. */
  readonly epoch: bigint;
  readonly inNanoseconds: boolean;
  /** The kind of the record; undefined if the recording lacks its format. */
  kind: EventKind | undefined;
  readonly #merger: EventMerger;
  readonly #wanted: Uint8Array | undefined;
  readonly #pids: ReadonlySet<number> | undefined;
  readonly #from: number;
  readonly #to: number;

  /** Throws a usage error for a selection that makes no sense. */
  constructor(source: TraceSource, selection: EventSelection = {}, listener: MergeListener = {}) {
    const { metadata } = source;
    this.catalog = new EventCatalog(metadata);
    this.inNanoseconds = nanosecondClocks.test(metadata.clock);
    this.#wanted = wantedKinds(this.catalog, selection.events);
    this.#pids = selection.pids === undefined ? undefined : new Set(selection.pids);
    const first = firstTimestamp(source.open(), metadata.layout);
    this.epoch = first + metadata.timeOffset;
    const relative = (option: string, time: string | undefined, none: number): number =>
      time === undefined ? none : Number(parseTime(option, time, this.inNanoseconds) - this.epoch);
    this.#from = relative("--from", selection.from, -Infinity);
    this.#to = relative("--to", selection.to, Infinity);
    const cpus = source
      .open()
      .filter(({ cpu }) => selection.cpus === undefined || selection.cpus.includes(cpu))
      .map((reader) => new CpuEvents(reader, metadata.layout, first, listener));
    this.#merger = new EventMerger(cpus, this.record, listener);
  }

  next(): boolean {
    const { record, catalog } = this;
    const wanted = this.#wanted;
    const pids = this.#pids;
    while (this.#merger.next()) {
      if (record.timestamp < this.#from) continue;
      if (record.timestamp > this.#to) return false;
      const kind = catalog.kindOf(record);
      if (wanted !== undefined && (kind === undefined || wanted[kind.format.id] !== 1)) continue;
      if (pids !== undefined && !pids.has(catalog.pidOf(record))) continue;
      this.kind = kind;
      return true;
    }
    return false;
  }
}
