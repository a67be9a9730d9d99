/** Lines of events as `trace-cmd report` prints them: "bash-1234  [000]  2430.234407: sched_wakeup:  ..." */
import { type ByteWriter, constant } from "./byte-writer.ts";
import type { EventCatalog, EventKind } from "./event-catalog.ts";
import { EventRecord } from "./event-record.ts";
import { leafPrinter } from "./known-events/function-graph.ts";

const nameColumns = 20;
const newline = 0x0a;
const unknownEvent = constant(" (NULL):               [UNKNOWN EVENT]");
const droppedEvents = constant(" EVENTS DROPPED]\n");
const dropped = constant("EVENTS DROPPED]\n");

export class EventText {
  readonly #catalog: EventCatalog;
  readonly #out: ByteWriter;
  readonly #names = new Map<EventKind, Uint8Array>();
  readonly #inSeconds: boolean;
  readonly #epoch: bigint;
  readonly #epochSeconds: number;
  readonly #epochNanoseconds: number;
  readonly #leaf: ReturnType<typeof leafPrinter>;
  readonly #entryKind: EventKind | undefined;
  readonly #exitKind: EventKind | undefined;
  /** A function's entry that waits for the next event. */
  readonly #entry = new EventRecord();
  #entryWaits = false;

  /** `epoch`: what the records' time stamps count from. */
  constructor(catalog: EventCatalog, out: ByteWriter, epoch: bigint, inSeconds = true) {
    this.#catalog = catalog;
    this.#out = out;
    this.#epoch = epoch;
    this.#inSeconds = inSeconds;
    this.#epochSeconds = Number(this.#epoch / 1_000_000_000n);
    this.#epochNanoseconds = Number(this.#epoch % 1_000_000_000n);
    this.#entryKind = catalog.find("ftrace", "funcgraph_entry");
    this.#exitKind = catalog.find("ftrace", "funcgraph_exit");
    if (this.#entryKind !== undefined && this.#exitKind !== undefined) {
      this.#leaf = leafPrinter(this.#entryKind.context, this.#exitKind.context);
    }
  }

  /** `kind` is the record's, which the caller has looked up already. */
  line(record: EventRecord, kind: EventKind | undefined): void {
    if (this.#entryWaits && this.#finishEntry(record, kind)) return;
    if (kind !== undefined && kind === this.#entryKind && this.#leaf !== undefined) {
      this.#holdEntry(record);
      return;
    }
    this.#start(record, kind);
    kind?.print(record, this.#out);
    this.#end();
  }

  lost(cpu: number, count: number): void {
    this.finish();
    const out = this.#out;
    out.text(`CPU:${cpu} [`);
    if (count > 0) {
      out.decimal(count);
      out.put(droppedEvents);
    } else out.put(dropped);
  }

  /** Writes what waits. */
  finish(): void {
    if (!this.#entryWaits) return;
    this.#entryWaits = false;
    this.#start(this.#entry, this.#entryKind);
    this.#entryKind?.print(this.#entry, this.#out);
    this.#end();
  }

  #holdEntry(record: EventRecord): void {
    const entry = this.#entry;
    const bytes = record.bytes.slice(record.at, record.at + record.size);
    entry.lieIn(new DataView(bytes.buffer));
    entry.at = 0;
    entry.size = record.size;
    entry.cpu = record.cpu;
    entry.timestamp = record.timestamp;
    this.#entryWaits = true;
  }

  /** True if the event was the exit that makes one line with the entry. */
  #finishEntry(record: EventRecord, kind: EventKind | undefined): boolean {
    const entry = this.#entry;
    const isLeaf =
      kind !== undefined &&
      kind === this.#exitKind &&
      record.size >= kind.format.minBytes &&
      entry.size >= (this.#entryKind?.format.minBytes ?? 0) &&
      this.#catalog.pidOf(record) === this.#catalog.pidOf(entry) &&
      this.#leaf?.matches(entry, record) === true;
    if (!isLeaf) {
      this.finish();
      return false;
    }
    this.#entryWaits = false;
    this.#start(entry, this.#entryKind);
    this.#leaf?.print(entry, record, this.#out);
    this.#end();
    return true;
  }

  #start(record: EventRecord, kind: EventKind | undefined): void {
    const out = this.#out;
    this.#catalog.tasks.writeColumns(out, this.#catalog.pidOf(record));
    out.byte(0x5b);
    if (record.cpu < 1000) out.digits(record.cpu, 3);
    else out.decimal(record.cpu);
    out.byte(0x5d);
    this.#time(record.timestamp);
    out.byte(0x3a);
    if (kind === undefined) out.put(unknownEvent);
    else out.put(this.#nameColumn(kind));
  }

  /** Microseconds, rounded. */
  #time(timestamp: number): void {
    const out = this.#out;
    if (!this.#inSeconds) {
      const start = out.length;
      out.text((this.#epoch + BigInt(timestamp)).toString());
      out.pad(start, 12, false);
      return;
    }
    out.byte(0x20);
    const nanoseconds = this.#epochNanoseconds + timestamp + 500;
    const carried = Math.floor(nanoseconds / 1e9);
    const seconds = this.#epochSeconds + carried;
    const microseconds = Math.floor((nanoseconds - carried * 1e9) / 1000);
    const start = out.length;
    if (seconds > 0) {
      out.decimal(seconds);
      if (seconds < 10_000) out.pad(start, 5, false);
      out.byte(0x2e);
      out.digits(microseconds, 6);
    } else {
      out.decimal(Math.max(0, microseconds));
      out.pad(start, 12, false);
    }
  }

  #nameColumn(kind: EventKind): Uint8Array {
    let column = this.#names.get(kind);
    if (column === undefined) {
      column = constant(` ${kind.format.name}: ${" ".repeat(Math.max(0, nameColumns - kind.format.name.length))}`);
      this.#names.set(kind, column);
    }
    return column;
  }

  /** One newline that the text itself ends with is not doubled. */
  #end(): void {
    const out = this.#out;
    if (out.bytes[out.length - 1] !== newline) out.byte(newline);
    out.endLine();
  }
}
