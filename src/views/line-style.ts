/** How the lines of events begin: as `trace-cmd report` has them without options, or with -t, --ts-diff, -l. */
import type { ByteWriter } from "../base/byte-writer.ts";
import type { EventCatalog } from "../events/event-catalog.ts";
import type { EventRecord } from "../events/event-record.ts";

export type LineStyle = {
  /** Nanoseconds instead of microseconds, rounded. */
  fullTimes?: boolean;
  /** Behind each time how long after the line before it is. */
  timeDifferences?: boolean;
  /** Of each task's name 8 letters, and behind the CPU what the kernel was doing (d: interrupts off, h: in one, ...). */
  latency?: boolean;
  /** Before each line, where there are several machines or ring buffers. */
  prefix?: string;
  /** That all of these share. */
  differences?: TimeDifferences | undefined;
};

const nameWidth = 8;
const pidWidth = 5;
const cpuWidth = 3;
const dot = 0x2e;

/** Bits of common_flags, as libtraceevent 1.7.1 reads them. */
const flag = { irqsOff: 0x01, noIrqState: 0x02, needResched: 0x04, hardIrq: 0x08, softIrq: 0x10 };

/** "    bash-1234    0d.h2." */
export class LatencyColumns {
  readonly #catalog: EventCatalog;
  readonly #flags: number | undefined;
  readonly #preemptCount: number | undefined;
  readonly #more: readonly number[];

  constructor(catalog: EventCatalog) {
    this.#catalog = catalog;
    this.#flags = catalog.commonByte("common_flags");
    this.#preemptCount = catalog.commonByte("common_preempt_count");
    // Kernels that have them: 5.11 to 5.19 (migrate_disable), before 2.6.38 (lock_depth).
    this.#more = ["common_migrate_disable", "common_lock_depth"].flatMap((name) => catalog.commonByte(name) ?? []);
  }

  write(out: ByteWriter, record: EventRecord): void {
    const pid = this.#catalog.pidOf(record);
    const { tasks } = this.#catalog;
    const slot = tasks.slotOf(pid);
    let start = out.length;
    out.string(tasks.bytes, tasks.offsetOf(slot), Math.min(tasks.lengthOf(slot), nameWidth));
    out.pad(start, nameWidth, false);
    out.byte(0x2d);
    start = out.length;
    out.signed32(pid);
    out.pad(start, pidWidth, true);
    out.byte(0x20);
    start = out.length;
    out.decimal(record.cpu);
    out.pad(start, cpuWidth, false);
    this.#state(out, record);
  }

  #state(out: ByteWriter, record: EventRecord): void {
    const bits = byteAt(record, this.#flags);
    out.byte((bits & flag.irqsOff) !== 0 ? 0x64 : (bits & flag.noIrqState) !== 0 ? 0x58 : dot);
    out.byte((bits & flag.needResched) !== 0 ? 0x4e : dot);
    const hard = (bits & flag.hardIrq) !== 0;
    const soft = (bits & flag.softIrq) !== 0;
    out.byte(hard && soft ? 0x48 : hard ? 0x68 : soft ? 0x73 : dot);
    const count = byteAt(record, this.#preemptCount);
    nibble(out, count & 15);
    nibble(out, count >> 4);
    for (const offset of this.#more) {
      const depth = byteAt(record, offset);
      if (depth > 127) out.byte(dot);
      else out.decimal(depth);
    }
  }
}

function nibble(out: ByteWriter, value: number): void {
  if (value === 0) out.byte(dot);
  else out.hex(0, value);
}

function byteAt(record: EventRecord, offset: number | undefined): number {
  return offset === undefined || offset >= record.size ? 0 : record.view.getUint8(record.at + offset);
}

/** "(+4006)  ", in the unit of the times that are shown; blanks in front of the first event. */
export class TimeDifferences {
  #before: number | undefined;
  #epoch = 0n;

  /** `time` counts from `epoch`: of several machines each has its own. */
  write(out: ByteWriter, time: number, epoch: bigint): void {
    out.byte(0x20);
    const start = out.length;
    if (this.#before !== undefined) {
      out.text("(+");
      if (epoch !== this.#epoch) this.#before += Number(this.#epoch - epoch);
      const difference = time - this.#before;
      out.signed64(Math.floor(difference / 2 ** 32) | 0, difference | 0);
      out.byte(0x29);
    }
    this.#before = time;
    this.#epoch = epoch;
    out.pad(start, 8, true);
  }
}
