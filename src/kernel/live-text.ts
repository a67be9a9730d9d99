/** Live events as lines, text or JSON, losses where they are; and how many there were. */
import type { LiveForm } from "./live-form.ts";
import { limits } from "../limits.ts";
import { ByteWriter } from "./byte-writer.ts";
import type { EventKind } from "./event-catalog.ts";
import { EventJson } from "./event-json.ts";
import type { EventRecord } from "./event-record.ts";
import { EventText } from "./event-text.ts";
import { LiveEvents } from "./live-events.ts";
import type { TaskNames } from "./task-names.ts";
import type { TraceMetadata } from "./trace-source.ts";


export type LiveTotals = {
  events: number;
  lostEvents: number;
  /** Times at which events were lost that the kernel did not count. */
  unknownLosses: number;
  damagedSubBuffers: number;
};

export type LiveTextOptions = {
  form: LiveForm;
  /** May throw, which comes out of `release` and `finish`. */
  write: (bytes: Uint8Array) => void;
  /** saved_cmdlines of now, where it can be had: tasks that were born since have names there. */
  readNames?: (() => string) | undefined;
};

export class LiveText {
  readonly totals: LiveTotals = { events: 0, lostEvents: 0, unknownLosses: 0, damagedSubBuffers: 0 };
  readonly #events: LiveEvents;
  readonly #form: LiveForm;
  readonly #out: ByteWriter;
  readonly #tasks: TaskNames;
  readonly #readNames: (() => string) | undefined;
  #printer: EventText | EventJson | undefined;
  #namesReadMs = -Infinity;

  constructor(metadata: TraceMetadata, cpus: readonly number[], { form, write, readNames }: LiveTextOptions) {
    this.#form = form;
    this.#out = new ByteWriter(write);
    this.#readNames = readNames;
    this.#events = new LiveEvents(metadata, cpus, {
      lost: (cpu, count) => {
        if (count < 0) this.totals.unknownLosses++;
        else this.totals.lostEvents += count;
        this.#printer?.lost(cpu, count);
      },
      damaged: () => void this.totals.damagedSubBuffers++,
    });
    this.#tasks = this.#events.catalog.tasks;
  }

  /** Takes whole sub-buffers for its own. */
  push(cpu: number, bytes: Uint8Array<ArrayBuffer>, nowMs: number): void {
    this.#events.push(cpu, bytes, nowMs);
    this.#printer ??= this.#makePrinter(this.#events.epoch ?? 0n);
  }

  /** Writes the lines whose time has come. */
  release(nowMs: number): void {
    this.#events.release(nowMs, this.#take);
    this.#flush();
  }

  /** Writes all that is left. */
  finish(): void {
    this.#events.finish(this.#take);
    this.#flush();
  }

  readonly #take = (record: EventRecord, kind: EventKind | undefined): void => {
    this.totals.events++;
    if (this.#readNames !== undefined) this.#learnName(this.#events.catalog.pidOf(record), this.#readNames);
    this.#printer?.line(record, kind);
  };

  #learnName(pid: number, readNames: () => string): void {
    if (pid === 0 || this.#tasks.has(pid)) return;
    const now = performance.now();
    if (now - this.#namesReadMs < limits.liveNamesMs) return;
    this.#namesReadMs = now;
    this.#tasks.takeSaved(readNames());
  }

  #flush(): void {
    if (this.#printer instanceof EventText) this.#printer.finish();
    this.#out.flush();
  }

  #makePrinter(epoch: bigint): EventText | EventJson {
    const { catalog, inNanoseconds } = this.#events;
    return this.#form === "json" ? new EventJson(catalog, this.#out, epoch) : new EventText(catalog, this.#out, epoch, inNanoseconds);
  }
}

/** "12 events, 3 lost", with what else went wrong. */
export function totalsText({ events, lostEvents, unknownLosses, damagedSubBuffers }: LiveTotals): string {
  const parts = [`${events} events`, `${lostEvents} lost`];
  if (unknownLosses > 0) parts.push(`lost an unknown number ${unknownLosses} times`);
  if (damagedSubBuffers > 0) parts.push(`${damagedSubBuffers} sub-buffers damaged`);
  return parts.join(", ");
}
