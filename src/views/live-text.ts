/** Live events as lines, text or JSON, with losses in place; and their totals. */
import { counted } from "../base/plural.ts";
import { lossText } from "./loss-text.ts";
import type { LiveForm } from "./live-form.ts";
import { viewLimits } from "./limits.ts";
import { ByteWriter } from "../base/byte-writer.ts";
import type { EventType } from "../events/event-catalog.ts";
import { EventJson } from "./event-json.ts";
import type { EventRecord } from "../events/event-record.ts";
import { EventText } from "./event-text.ts";
import { LiveEvents } from "../timeline/live-events.ts";
import type { TaskNames } from "../events/task-names.ts";
import type { TraceMetadata } from "../events/trace-metadata.ts";

export type LiveTotals = {
  events: number;
  lostEvents: number;
  /** Times at which events were lost that the kernel did not count. */
  unknownLosses: number;
  damagedSubBuffers: number;
};

export type LiveTextOptions = {
  form: LiveForm;
  /** How long events are held to be put in order: liveHoldMs(). */
  holdMs: number;
  /** May throw; `release` and `finish` pass that on. */
  write: (bytes: Uint8Array) => void;
  /** Of several: stands before its lines, and in JSON as "machine". */
  machine?: string;
  /** The current saved_cmdlines, if available: it names tasks that started since. */
  readNames?: (() => string) | undefined;
};

export class LiveText {
  readonly totals: LiveTotals = { events: 0, lostEvents: 0, unknownLosses: 0, damagedSubBuffers: 0 };
  readonly #events: LiveEvents;
  readonly #form: LiveForm;
  readonly #machine: string;
  readonly #out: ByteWriter;
  readonly #tasks: TaskNames;
  readonly #readNames: (() => string) | undefined;
  #printer: EventText | EventJson | undefined;
  #namesReadMs = -Infinity;

  constructor(
    metadata: TraceMetadata,
    cpus: readonly number[],
    { form, holdMs, write, readNames, machine = "" }: LiveTextOptions,
  ) {
    this.#form = form;
    this.#machine = machine;
    this.#out = new ByteWriter(write);
    this.#readNames = readNames;
    this.#events = new LiveEvents(metadata, cpus, holdMs, {
      lost: (cpu, count) => {
        if (count < 0) this.totals.unknownLosses++;
        else this.totals.lostEvents += count;
        this.#printer?.lost(cpu, count);
      },
      damaged: () => void this.totals.damagedSubBuffers++,
    });
    this.#tasks = this.#events.catalog.tasks;
  }

  /** To be called before anything is pushed: each CPU's trace time from which on its events are shown. */
  startAt(times: ReadonlyMap<number, bigint>): void {
    this.#events.startAt(times);
  }

  /** Takes ownership of whole sub-buffers. */
  push(cpu: number, bytes: Uint8Array<ArrayBuffer>, nowMs: number): void {
    this.#events.push(cpu, bytes, nowMs);
    this.#printer ??= this.#makePrinter(this.#events.epoch ?? 0n);
  }

  /** Writes the lines that are due, for a moment at most. True when more are due. */
  release(nowMs: number): boolean {
    const more = this.#events.release(nowMs, this.#take);
    this.#flush();
    return more;
  }

  /** Writes the rest, for a moment at most. True when there is more. */
  finish(): boolean {
    const more = this.#events.finish(this.#take);
    this.#flush();
    return more;
  }

  /** Bytes received and not shown yet. */
  get heldBytes(): number {
    return this.#events.heldBytes;
  }

  readonly #take = (record: EventRecord, kind: EventType | undefined): void => {
    this.totals.events++;
    if (this.#readNames !== undefined) this.#learnName(this.#events.catalog.pidOf(record), this.#readNames);
    this.#printer?.line(record, kind);
  };

  #learnName(pid: number, readNames: () => string): void {
    if (pid === 0 || this.#tasks.has(pid)) return;
    const now = performance.now();
    if (now - this.#namesReadMs < viewLimits.liveNamesMs) return;
    this.#namesReadMs = now;
    this.#tasks.takeSaved(readNames());
  }

  #flush(): void {
    if (this.#printer instanceof EventText) this.#printer.finish();
    this.#out.flush();
  }

  #makePrinter(epoch: bigint): EventText | EventJson {
    const { catalog, inSeconds } = this.#events;
    return this.#form === "json"
      ? new EventJson(catalog, this.#out, epoch, { machine: this.#machine.trim(), buffer: "" })
      : new EventText(catalog, this.#out, epoch, inSeconds, {
          prefix: this.#machine === "" ? "" : `${this.#machine}: `,
        });
  }
}

/** "12 events, 3 lost", followed by other problems. */
export function totalsText(totals: LiveTotals): string {
  const { events, damagedSubBuffers } = totals;
  const parts = [counted(events, "event"), `${lossText(totals)} lost`];
  if (damagedSubBuffers > 0) parts.push(`${counted(damagedSubBuffers, "sub-buffer")} damaged`);
  return parts.join(", ");
}
