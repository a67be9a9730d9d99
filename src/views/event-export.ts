/** Exports that take one event after the other, by time, and write lines: text, JSON, the summary. */
import { AgentError } from "../base/errors.ts";
import { counted } from "../base/plural.ts";
import { ByteWriter } from "../base/byte-writer.ts";
import { EventCatalog } from "../events/event-catalog.ts";
import { EventIterator } from "../timeline/event-iterator.ts";
import type { EventSelection } from "../timeline/event-selection.ts";
import { PartEvents } from "../timeline/part-events.ts";
import type { RecordedPart } from "../trace-dat/parts.ts";
import type { Export, ExportResult } from "./exporter.ts";
import { viewLimits } from "./limits.ts";
import { lossText } from "./loss-text.ts";
import { labelOf } from "./part-label.ts";
import { shownTime } from "./shown-time.ts";

export type EventTaker = {
  /** The event in the iterator's record. */
  take(): void;
  /** `count` is -1 where the kernel did not count them. */
  lost(cpu: number, count: number): void;
  damaged?(cpu: number): void;
  /** The CPU's events are lost from the last one that was taken on, until its next one is taken. */
  gap?(cpu: number): void;
  /** `isEnd`: no further selected event follows. */
  finish?(isEnd: boolean): void;
};

export class EventExport implements Export {
  readonly #out: ByteWriter;
  readonly #iterators: EventIterator[] = [];
  readonly #takers: EventTaker[] = [];
  readonly #events: PartEvents<EventTaker>;
  readonly #damaged = new Map<string, { count: number; what: string }>();
  /** Since it was last asked whether that is enough. */
  #hasWritten = false;
  readonly #losses = { lostEvents: 0, unknownLosses: 0 };

  /** `makeTaker`: of each part that can have selected events. */
  constructor(
    parts: readonly RecordedPart[],
    selection: EventSelection,
    write: (bytes: Uint8Array) => void,
    makeTaker: (iterator: EventIterator, out: ByteWriter, part: RecordedPart) => EventTaker,
  ) {
    this.#out = new ByteWriter((bytes) => {
      this.#hasWritten = true;
      write(bytes);
    });
    const sources = this.#open(parts, selection).map(({ part, iterator, receive }) => {
      this.#iterators.push(iterator);
      iterator.pauseAfter = viewLimits.skippedEventsMax;
      const taker = makeTaker(iterator, this.#out, part);
      this.#takers.push(taker);
      receive(taker);
      return { iterator, tag: taker };
    });
    this.#events = new PartEvents(sources);
  }

  step(isFull: () => boolean): boolean {
    const events = this.#events;
    const endMs = performance.now() + viewLimits.sliceMs;
    for (let count = 1; events.next(); count++) {
      events.current?.tag.take();
      // An event may have a line of 512 KiB.
      if (count % viewLimits.sliceEvents !== 0 && !this.#hasWritten) continue;
      this.#hasWritten = false;
      if (performance.now() >= endMs || isFull()) return true;
    }
    return events.paused;
  }

  finish(endedBy?: string): ExportResult {
    for (const taker of this.#takers) taker.finish?.(endedBy === undefined);
    this.#out.flush();
    const warnings =
      endedBy === undefined
        ? whyNothing(this.#iterators)
        : [`ended by ${endedBy}: the events from here on are not shown`];
    for (const [where, { count, what }] of this.#damaged)
      warnings.push(`${where}: ${counted(count, "sub-buffer")} could not be read to the end: ${what}`);
    const matched = this.#iterators.reduce((sum, iterator) => sum + iterator.matched, 0);
    return {
      isWhole: this.#damaged.size === 0,
      warnings,
      amount: `${counted(matched, "event")}, ${lossText(this.#losses)} lost before they were recorded`,
    };
  }

  /** What is selected must be there in one of the parts. */
  #open(
    parts: readonly RecordedPart[],
    selection: EventSelection,
  ): { part: RecordedPart; iterator: EventIterator; receive: (taker: EventTaker) => void }[] {
    let refusal: AgentError | undefined;
    const catalogs = new Map<unknown, EventCatalog>();
    const opened = parts.flatMap((part) => {
      // Losses and damage may be reported before a receiver exists.
      let taker: EventTaker | undefined;
      const gapsBefore: number[] = [];
      const { metadata } = part.source;
      // Buffers of one machine have the same tables.
      const catalog = catalogs.get(metadata.formats) ?? new EventCatalog(metadata);
      catalogs.set(metadata.formats, catalog);
      const lost = (cpu: number, count: number): void => {
        if (count < 0) this.#losses.unknownLosses++;
        else this.#losses.lostEvents += count;
        taker?.lost(cpu, count);
      };
      const damaged = (cpu: number, what: string): void => {
        const label = labelOf(part);
        const where = label === "" ? `CPU ${cpu}` : `${label}: CPU ${cpu}`;
        this.#damaged.set(where, { count: (this.#damaged.get(where)?.count ?? 0) + 1, what });
        taker?.damaged?.(cpu);
      };
      const gap = (cpu: number): void => {
        if (taker === undefined) gapsBefore.push(cpu);
        else taker.gap?.(cpu);
      };
      const receive = (receiver: EventTaker): void => {
        taker = receiver;
        for (const cpu of gapsBefore.splice(0)) receiver.gap?.(cpu);
      };
      try {
        const iterator = new EventIterator(part.source, selection, { lost, damaged, gap }, catalog);
        return [{ part, iterator, receive }];
      } catch (error) {
        if (!(error instanceof AgentError) || error.kind !== "usage") throw error;
        refusal ??= error;
        return [];
      }
    });
    if (opened.length === 0 && refusal !== undefined) throw refusal;
    return opened;
  }
}

/** Why an output has no events. */
function whyNothing(iterators: readonly EventIterator[]): string[] {
  if (iterators.some(({ matched }) => matched > 0)) return [];
  const begun = iterators.find(({ first }) => first !== undefined);
  if (begun?.first === undefined) return ["the recording holds no events"];
  const at = shownTime(begun.first, begun.inSeconds);
  return [`no event matches what was selected; the first that was read is at ${at}`];
}
