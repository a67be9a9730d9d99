/** Lines of events as `trace-cmd report` prints them: "bash-1234  [000]  2430.234407: sched_wakeup:  ..." */
import { type ByteWriter, constant } from "../base/byte-writer.ts";
import type { EventCatalog, EventType } from "../events/event-catalog.ts";
import { EventRecord } from "../events/event-record.ts";
import { leafPrinter } from "../events/plugins/function-graph.ts";
import { LatencyColumns, type LineStyle, type TimeDifferences } from "./line-style.ts";

const nameColumns = 20;
/** With the point; a time in another unit has no point. */
const secondsColumns = 6;
const timeColumns = 12;
const newline = 0x0a;
const second = 1_000_000_000n;
const unknownEvent = constant(" (NULL):               [UNKNOWN EVENT]");
const droppedEvents = constant(" EVENTS DROPPED]\n");
const dropped = constant("EVENTS DROPPED]\n");

export class EventText {
  readonly #catalog: EventCatalog;
  readonly #out: ByteWriter;
  readonly #names = new Map<EventType, Uint8Array>();
  readonly #inSeconds: boolean;
  readonly #epoch: bigint;
  readonly #epochSeconds: number;
  readonly #epochNanoseconds: number;
  /** What `#inUnitShown` counts from. */
  readonly #unitEpoch: bigint;
  readonly #fullTimes: boolean;
  readonly #latency: LatencyColumns | undefined;
  readonly #differences: TimeDifferences | undefined;
  readonly #prefix: Uint8Array | undefined;
  readonly #leaf: ReturnType<typeof leafPrinter>;
  readonly #entryKind: EventType | undefined;
  readonly #exitKind: EventType | undefined;
  /** A function's entry whose line is written with the next event. */
  readonly #entry = new EventRecord();
  #entryWaits = false;
  #shownSeconds = NaN;
  #shownSign = "";
  /** Up to the point. */
  #secondsColumn = constant("");

  /** `epoch`: what the records' time stamps are relative to. */
  constructor(catalog: EventCatalog, out: ByteWriter, epoch: bigint, inSeconds = true, style: LineStyle = {}) {
    this.#fullTimes = inSeconds && style.fullTimes === true;
    this.#latency = style.latency === true ? new LatencyColumns(catalog) : undefined;
    this.#differences = style.differences;
    this.#prefix =
      style.prefix === undefined || style.prefix === ""
        ? undefined
        : constant(Buffer.from(style.prefix).toString("latin1"));
    this.#catalog = catalog;
    this.#out = out;
    this.#epoch = epoch;
    this.#inSeconds = inSeconds;
    // Rounded down, also below 0, which an offset may cause.
    this.#epochNanoseconds = Number(((epoch % second) + second) % second);
    this.#epochSeconds = Number((epoch - BigInt(this.#epochNanoseconds)) / second);
    this.#unitEpoch = inSeconds && !this.#fullTimes ? BigInt(this.#epochSeconds) * 1_000_000n : epoch;
    this.#entryKind = catalog.find("ftrace", "funcgraph_entry");
    this.#exitKind = catalog.find("ftrace", "funcgraph_exit");
    if (this.#entryKind !== undefined && this.#exitKind !== undefined) {
      this.#leaf = leafPrinter(this.#entryKind.context, this.#exitKind.context);
    }
  }

  /** `kind` is the record's, already looked up by the caller. */
  line(record: EventRecord, kind: EventType | undefined): void {
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
    if (this.#prefix !== undefined) out.put(this.#prefix);
    out.text(`CPU:${cpu} [`);
    if (count > 0) {
      out.decimal(count);
      out.put(droppedEvents);
    } else out.put(dropped);
  }

  /** Writes a waiting entry. */
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
    entry.attach(new DataView(bytes.buffer));
    entry.at = 0;
    entry.size = record.size;
    entry.cpu = record.cpu;
    entry.timestamp = record.timestamp;
    this.#entryWaits = true;
  }

  /** True if the event was the exit that shares a line with the entry. */
  #finishEntry(record: EventRecord, kind: EventType | undefined): boolean {
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

  #start(record: EventRecord, kind: EventType | undefined): void {
    const out = this.#out;
    if (this.#prefix !== undefined) out.put(this.#prefix);
    if (this.#latency !== undefined) this.#latency.write(out, record);
    else {
      this.#catalog.tasks.writeColumns(out, this.#catalog.pidOf(record));
      out.byte(0x5b);
      if (record.cpu < 1000) out.digits(record.cpu, 3);
      else out.decimal(record.cpu);
      out.byte(0x5d);
    }
    this.#time(record.timestamp);
    out.byte(0x3a);
    this.#differences?.write(out, this.#inUnitShown(record.timestamp), this.#unitEpoch);
    if (kind === undefined) out.put(unknownEvent);
    else out.put(this.#nameColumn(kind));
  }

  /** From a whole second before the first event on: what --ts-diff counts with. */
  #inUnitShown(timestamp: number): number {
    if (!this.#inSeconds || this.#fullTimes) return timestamp;
    return Math.floor((this.#epochNanoseconds + timestamp + 500) / 1000);
  }

  /** Microseconds, rounded, or nanoseconds. */
  #time(timestamp: number): void {
    const out = this.#out;
    if (!this.#inSeconds) {
      const start = out.length;
      out.text((this.#epoch + BigInt(timestamp)).toString());
      out.pad(start, timeColumns, false);
      return;
    }
    const [digits, unit] = this.#fullTimes ? [9, 1] : [6, 1000];
    const nanoseconds = this.#epochNanoseconds + timestamp + (this.#fullTimes ? 0 : 500);
    const carried = Math.floor(nanoseconds / 1e9);
    const seconds = this.#epochSeconds + carried;
    const fraction = Math.floor((nanoseconds - carried * 1e9) / unit);
    if (seconds >= 0) this.#seconds(seconds, fraction, digits, "");
    else {
      const carry = fraction > 0 ? 1 : 0;
      this.#seconds(-seconds - carry, carry * (1e9 / unit) - fraction, digits, "-");
    }
  }

  /** The seconds of many events in a row are the same. */
  #seconds(seconds: number, fraction: number, digits: number, sign: string): void {
    const out = this.#out;
    if (seconds !== this.#shownSeconds || sign !== this.#shownSign) {
      this.#shownSeconds = seconds;
      this.#shownSign = sign;
      this.#secondsColumn = constant(` ${`${sign}${seconds}.`.padStart(secondsColumns)}`);
    }
    out.put(this.#secondsColumn);
    out.digits(fraction, digits);
  }

  #nameColumn(kind: EventType): Uint8Array {
    let column = this.#names.get(kind);
    if (column === undefined) {
      column = constant(` ${kind.format.name}: ${" ".repeat(Math.max(0, nameColumns - kind.format.name.length))}`);
      this.#names.set(kind, column);
    }
    return column;
  }

  /** A newline at the end of the text itself is not doubled. */
  #end(): void {
    const out = this.#out;
    if (out.bytes[out.length - 1] !== newline) out.byte(newline);
    out.endLine();
  }
}
