/** The selected events of a recording, by time, one after the other in the same record. */
import { AgentError } from "../base/errors.ts";
import { formatCpuList } from "../tracefs/cpu-list.ts";
import { EventCatalog, type EventType } from "../events/event-catalog.ts";
import { blockBytesFor, CpuEvents, EventMerger, firstTimestamp, type MergeListener } from "./event-merge.ts";
import { EventRecord } from "../events/event-record.ts";
import { type EventSelection, timeRange, wantedKinds } from "./event-selection.ts";
import { EventFilter } from "./filter/event-filter.ts";
import { NamedTasks } from "./filter/named-tasks.ts";
import { MachineClock } from "./machine-clock.ts";
import { timelineLimits } from "./limits.ts";
import type { SubBufferReader, TraceSource } from "../trace-dat/trace-source.ts";

export class EventIterator {
  readonly catalog: EventCatalog;
  readonly record = new EventRecord();
  /** Near the first time of the recording; the record's stamps are relative to it. */
  readonly epoch: bigint;
  /** Whether durations and rates can be computed from time stamps, and whether these are shown as seconds. */
  readonly inNanoseconds: boolean;
  readonly inSeconds: boolean;
  /** The type of the record's event; undefined if the recording lacks its format. */
  kind: EventType | undefined;
  /** Number of selected events so far. */
  matched = 0;
  /**
   * `next` pauses after skipping this many events, which says nothing about later ones; call it again. Events of kinds that are not wanted
   * do not count but for one of each sub-buffer.
   */
  pauseAfter = Infinity;
  paused = false;
  readonly #merger: EventMerger;
  readonly #wanted: Uint8Array | undefined;
  readonly #pids: ReadonlySet<number> | undefined;
  readonly #filter: EventFilter | undefined;
  readonly #tasks: NamedTasks | undefined;
  readonly #from: number;
  readonly #to: number;

  /** Throws a usage error for an invalid selection. */
  constructor(
    source: TraceSource,
    selection: EventSelection = {},
    listener: MergeListener = {},
    catalog = new EventCatalog(source.metadata),
  ) {
    const { metadata } = source;
    this.catalog = catalog;
    this.#wanted = wantedKinds(this.catalog, selection.events);
    this.#pids = selection.pids === undefined ? undefined : new Set(selection.pids);
    const { filters = [], comms = [] } = selection;
    this.#filter = filters.length === 0 ? undefined : new EventFilter(this.catalog, filters);
    this.#tasks = comms.length === 0 ? undefined : new NamedTasks(this.catalog, comms);
    requireRoom(source, selection.cpus);
    const { cpus: wantedCpus } = selection;
    if (wantedCpus !== undefined && !wantedCpus.some((cpu) => source.cpus.includes(cpu))) {
      throw new AgentError("usage", `cannot select CPU ${formatCpuList(wantedCpus)}: the recording has no such CPU`, {
        remedy: `it has CPU ${formatCpuList(source.cpus)}`,
      });
    }
    // Of the others nothing is read: a sub-buffer may cost a chunk of 256 KiB that is unpacked for it.
    const open = (): SubBufferReader[] =>
      source.open().filter(({ cpu }) => wantedCpus === undefined || wantedCpus.includes(cpu));
    const first = firstTimestamp(open(), metadata.layout);
    const clock = new MachineClock(metadata, first);
    this.epoch = clock.epoch;
    this.inSeconds = clock.inSeconds;
    this.inNanoseconds = clock.inNanoseconds;
    const { from, to } = timeRange(selection, this.inSeconds);
    this.#from = from === undefined ? -Infinity : Number(from - this.epoch);
    this.#to = to === undefined ? Infinity : Number(to - this.epoch);
    // Losses before the first or after the last selected event do not count.
    const lost = (cpu: number, count: number): void => {
      if (this.record.timestamp >= this.#from && this.record.timestamp <= this.#to) listener.lost?.(cpu, count);
    };
    const readers = open();
    const block = blockBytesFor(readers.length);
    const cpus = readers.map(
      (reader) => new CpuEvents(reader, metadata.layout, first, listener, clock.converter(reader.cpu), block),
    );
    this.#merger = new EventMerger(cpus, this.record, { ...listener, lost });
    if (this.#wanted !== undefined) for (const { cursor } of cpus) cursor.choose(this.#wanted, this.catalog.typeOffset);
  }

  /** False at the end, and when it paused. */
  next(): boolean {
    const { record, catalog } = this;
    const wanted = this.#wanted;
    const pids = this.#pids;
    // One that is passed over may stand for a whole sub-buffer.
    for (let left = wanted === undefined ? this.pauseAfter : this.pauseAfter / 4; ; left--) {
      this.paused = left <= 0;
      if (left <= 0 || !this.#merger.next()) return false;
      if (record.timestamp < this.#from) continue;
      if (record.timestamp > this.#to) return false;
      const kind = catalog.kindOf(record);
      if (wanted !== undefined && (kind === undefined || wanted[kind.format.id] !== 1)) continue;
      if (pids !== undefined && !pids.has(catalog.pidOf(record))) continue;
      if (this.#tasks?.matches(record, kind) === false) continue;
      if (this.#filter?.matches(record, kind) === false) continue;
      this.kind = kind;
      this.matched++;
      return true;
    }
  }

  /** Time of the first event of the selected CPUs, whether selected itself or not. */
  get first(): bigint | undefined {
    const { first } = this.#merger;
    return first === undefined ? undefined : this.epoch + BigInt(first);
  }
}

/** Each CPU's current sub-buffer is held. The kernel allows large ones, and many CPUs; nobody has both. */
function requireRoom({ cpus, metadata }: TraceSource, wanted: readonly number[] | undefined): void {
  const { sizeBytes } = metadata.layout;
  const count = wanted === undefined ? cpus.length : cpus.filter((cpu) => wanted.includes(cpu)).length;
  if (sizeBytes <= timelineLimits.heldSubBufferBytes || count * sizeBytes <= timelineLimits.heldSubBuffersBytes) return;
  throw new AgentError("input", `cannot show ${count} CPUs at once: each has sub-buffers of ${sizeBytes} bytes`, {
    remedy: `choose ${Math.floor(timelineLimits.heldSubBuffersBytes / sizeBytes)} of them at most with --cpu`,
  });
}
