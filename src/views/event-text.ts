/** Lines of events as `trace-cmd report` prints them: "bash-1234  [000]  2430.234407: sched_wakeup:  ..." */
import { type ByteWriter, type Constant, constant } from "../base/byte-writer.ts";
import type { EventCatalog, EventType } from "../events/event-catalog.ts";
import { thousands } from "../base/digits.ts";
import { EventRecord } from "../events/event-record.ts";
import { leafPrinter } from "../events/plugins/function-graph.ts";
import { LatencyColumns, type LineStyle, type TimeDifferences } from "./line-style.ts";

const nameColumns = 20;
const cpuDigits = 3;
/** With the point; a time in another unit has no point. */
const secondsColumns = 6;
const timeColumns = 12;
const newline = 0x0a;
const second = 1_000_000_000n;
const secondNs = 1e9;
const two32 = 2 ** 32;
const unknownEvent = constant(" (NULL):               [UNKNOWN EVENT]");
const droppedEvents = constant(" EVENTS DROPPED]\n");
const dropped = constant("EVENTS DROPPED]\n");

export class EventText {
  readonly #catalog: EventCatalog;
  readonly #out: ByteWriter;
  /** By the number of the event's type. */
  readonly #names: (Constant | undefined)[] = [];
  readonly #cpus: (Constant | undefined)[] = [];
  readonly #inSeconds: boolean;
  readonly #epoch: bigint;
  readonly #epochSeconds: number;
  readonly #epochNanoseconds: number;
  readonly #epochHigh: number;
  readonly #epochLow: number;
  /** What `#inUnitShown` counts from. */
  readonly #unitEpoch: bigint;
  readonly #fullTimes: boolean;
  readonly #latency: LatencyColumns | undefined;
  readonly #differences: TimeDifferences | undefined;
  readonly #prefix: Constant | undefined;
  readonly #leaf: ReturnType<typeof leafPrinter>;
  readonly #entryKind: EventType | undefined;
  readonly #exitKind: EventType | undefined;
  /** A function's entry whose line is written with the next event. */
  readonly #entry = new EventRecord();
  /** Its bytes. */
  #held = new Uint8Array(0);
  #entryWaits = false;
  /** When the second that was shown last began, as stamps count, less what they are rounded by; NaN before the first. */
  #secondBegin = NaN;
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
    this.#epochHigh = Number(epoch >> 32n);
    this.#epochLow = Number(BigInt.asUintN(32, epoch));
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
    const { bytes, at, size } = record;
    if (this.#held.length < size) {
      this.#held = new Uint8Array(size);
      entry.attach(new DataView(this.#held.buffer), this.#held);
    }
    // For a few bytes less than what a view of them costs, which is garbage.
    for (let index = 0; index < size; index++) this.#held[index] = bytes[at + index] ?? 0;
    entry.at = 0;
    entry.size = size;
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
      out.put(this.#cpus[record.cpu] ?? this.#cpuColumn(record.cpu));
    }
    this.#time(record.timestamp);
    out.byte(0x3a);
    this.#differences?.write(out, this.#inUnitShown(record.timestamp), this.#unitEpoch);
    if (kind === undefined) out.put(unknownEvent);
    else out.put(this.#names[kind.format.id] ?? this.#nameColumn(kind));
  }

  #cpuColumn(cpu: number): Constant {
    return (this.#cpus[cpu] = constant(`[${String(cpu).padStart(cpuDigits, "0")}]`));
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
      this.#count(timestamp);
      return;
    }
    // The seconds of many events in a row are the same.
    const since = timestamp - this.#secondBegin;
    if (since >= 0 && since < secondNs) {
      out.put(this.#secondsColumn);
      this.#fraction(since);
    } else this.#otherSecond(timestamp);
  }

  /** A time that is no seconds. */
  #count(timestamp: number): void {
    const out = this.#out;
    const start = out.length;
    const low = this.#epochLow + timestamp;
    const high = this.#epochHigh + Math.floor(low / two32);
    if (high >= 0 && high < two32) out.unsigned64(high | 0, low | 0);
    else out.text((this.#epoch + BigInt(timestamp)).toString());
    out.pad(start, timeColumns, false);
  }

  #otherSecond(timestamp: number): void {
    const nanoseconds = this.#epochNanoseconds + timestamp + (this.#fullTimes ? 0 : 500);
    const carried = Math.floor(nanoseconds / secondNs);
    const seconds = this.#epochSeconds + carried;
    const since = nanoseconds - carried * secondNs;
    if (seconds >= 0) {
      this.#secondBegin = timestamp - since;
      this.#secondsColumn = secondsColumn(`${seconds}.`);
      this.#out.put(this.#secondsColumn);
      this.#fraction(since);
      return;
    }
    const unit = this.#fullTimes ? 1 : 1000;
    const least = since - (since % unit);
    this.#out.put(secondsColumn(`-${-seconds - (least > 0 ? 1 : 0)}.`));
    this.#fraction(least > 0 ? secondNs - least : 0);
  }

  /** Of a second, in ns. */
  #fraction(since: number): void {
    if (this.#fullTimes) this.#out.digits(since, 9);
    else this.#out.sixDigits(thousands(since));
  }

  #nameColumn(kind: EventType): Constant {
    const { id, name } = kind.format;
    return (this.#names[id] = constant(` ${name}: ${" ".repeat(Math.max(0, nameColumns - name.length))}`));
  }
  /** A newline at the end of the text itself is not doubled. */
  #end(): void {
    const out = this.#out;
    if (out.bytes[out.length - 1] !== newline) out.byte(newline);
    out.endLine();
  }
}

function secondsColumn(seconds: string): Constant {
  return constant(` ${seconds.padStart(secondsColumns)}`);
}
