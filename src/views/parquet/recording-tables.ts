/** One recording -> its tables: each ring buffer of each recording of each machine has files of its own. */
import { foreignText } from "../../base/foreign-text.ts";
import { counted } from "../../base/plural.ts";
import { EventCatalog, type EventType } from "../../events/event-catalog.ts";
import { forEachTaskLine } from "../../events/saved-names.ts";
import { firstTimestamp } from "../../timeline/event-merge.ts";
import { EventIterator } from "../../timeline/event-iterator.ts";
import type { RecordedPart } from "../../trace-dat/parts.ts";
import type { Export, ExportResult } from "../exporter.ts";
import { viewLimits } from "../limits.ts";
import { lossText } from "../loss-text.ts";
import { Scheduling } from "../scheduling/scheduling.ts";
import type { SchedulingTaker } from "../scheduling/slices.ts";
import type { Column } from "./column.ts";
import { EventTable, type TimeBase } from "./event-table.ts";
import { learnFirstNames } from "./first-names.ts";
import { parquetLimits } from "./limits.ts";
import { LostTable } from "./lost-table.ts";
import { tableName } from "./path-names.ts";
import { type OpenTable, SchedulingTables, writeTasks } from "./scheduling-tables.ts";
import { guestTable, type SessionFiles, type SessionPlace } from "./session-files.ts";
import { keyValuesOf, type SessionFacts, writeSession } from "./session-table.ts";
import type { Table } from "./table.ts";
import { type Telling, tellingEvents } from "./telling-events.ts";
import { VcpuTables } from "./vcpu-table.ts";

/** `isMain`: its events tell of the machine's scheduling. `utcOf`: what is added to a time of this recording to get UTC. */
export type RecordingPlan = {
  part: RecordedPart;
  place: SessionPlace;
  isMain: boolean;
  utcOf: (first: bigint) => SessionFacts["utc"];
};

/** Tables that are no event's. An event of such a name has its system's name before it. */
const ownTables: ReadonlySet<string> = new Set([
  "sched_slice",
  "irq_slice",
  "wakeup",
  "lost",
  "task",
  "session",
  guestTable,
]);

export class RecordingTables implements Export, OpenTable {
  readonly #plan: RecordingPlan;
  readonly #files: SessionFiles;
  readonly #iterator: EventIterator;
  readonly #base: TimeBase;
  readonly #utc: SessionFacts["utc"];
  readonly #lost: LostTable;
  readonly #scheduling: Scheduling | undefined;
  readonly #renaming: Telling;
  /** By number of event. */
  readonly #events: (EventTable | undefined)[] = [];
  #eventTables = 0;
  readonly #names = new Set<string>();
  /** By CPU the time of its last event. */
  readonly #last: number[] = [];
  readonly #damaged = new Map<number, { count: number; what: string }>();
  #rows = 0;
  #leftOut = 0;
  #first = NaN;
  #end = NaN;

  constructor(plan: RecordingPlan, files: SessionFiles) {
    this.#plan = plan;
    this.#files = files;
    const { source } = plan.part;
    const { metadata } = source;
    const catalog = new EventCatalog(metadata);
    learnFirstNames(source, catalog, firstTimestamp(source.open(), metadata.layout));
    // Losses may be told before there is a table for them.
    const early: number[] = [];
    const told: { lost?: LostTable; scheduling?: Scheduling } = {};
    this.#iterator = new EventIterator(
      source,
      {},
      {
        gap: (cpu) => {
          told.scheduling?.gap(cpu);
          if (told.lost === undefined) early.push(cpu);
          else told.lost.gap(cpu, this.#last[cpu] ?? NaN);
        },
        lost: (cpu, count) => told.lost?.lost(cpu, count, this.#iterator.record.timestamp),
        damaged: (cpu, what) => {
          this.#damaged.set(cpu, { count: (this.#damaged.get(cpu)?.count ?? 0) + 1, what });
          told.lost?.damaged(cpu, this.#last[cpu] ?? NaN);
        },
      },
      catalog,
    );
    const { epoch, inNanoseconds } = this.#iterator;
    this.#iterator.pauseAfter = viewLimits.skippedEventsMax;
    this.#utc = inNanoseconds ? plan.utcOf(epoch) : undefined;
    this.#base = { epoch, utc: this.#utc?.offset };
    this.#lost = told.lost = new LostTable(this.#base, this);
    if (plan.isMain && inNanoseconds) this.#scheduling = told.scheduling = this.#begin(catalog);
    this.#renaming = tellingEvents(catalog, "renaming");
    for (const cpu of early) {
      told.scheduling?.gap(cpu);
      this.#lost.gap(cpu, NaN);
    }
  }

  open(name: string, columns: readonly Column[]): Table {
    return this.#files.open({ table: name, guest: this.#plan.place.guest }, columns, ownTables.has(name));
  }

  added(table: Table): void {
    this.#files.added(table);
  }

  step(isFull: () => boolean): boolean {
    const endMs = performance.now() + viewLimits.sliceMs;
    const iterator = this.#iterator;
    for (let count = 1; iterator.next(); count++) {
      this.#add(iterator);
      if (count % viewLimits.sliceEvents === 0 && (performance.now() >= endMs || isFull())) return true;
    }
    return iterator.paused;
  }

  finish(): ExportResult {
    const { part, place, isMain } = this.#plan;
    const { metadata } = part.source;
    const scheduling = this.#scheduling;
    scheduling?.finish();
    this.#lost.finish();
    const losses = [...this.#lost.counts.values()];
    const lostEvents = losses.reduce((sum, { events }) => sum + events, 0);
    const unknownLosses = losses.reduce((sum, { unknown }) => sum + unknown, 0);
    const damaged = [...this.#damaged.values()].reduce((sum, { count }) => sum + count, 0);
    if (isMain && scheduling !== undefined) {
      const groups = new Map<number, number>();
      forEachTaskLine(metadata.savedTgids ?? "", (pid, tgid) => {
        if (scheduling.tasks.find(pid) !== undefined && /^\d{1,9}$/.test(tgid)) groups.set(pid, Number(tgid));
      });
      writeTasks(this, { tasks: scheduling.tasks.all, names: this.#iterator.catalog.tasks, groups });
    }
    const facts: SessionFacts = {
      place,
      metadata,
      cpus: part.source.cpus.length,
      start: this.#time(this.#first),
      end: this.#time(this.#end),
      utc: this.#utc,
      events: this.#rows,
      lost: this.#lost.counts,
      damaged,
    };
    writeSession(facts, this);
    this.#files.finish(({ table, guest }) => keyValuesOf(facts, table, guest));
    return {
      isWhole: damaged === 0,
      warnings: this.#warnings(),
      amount: `${this.#rows} events, ${lossText({ lostEvents, unknownLosses })} lost before they were recorded`,
    };
  }

  #add({ record, kind, catalog }: EventIterator): void {
    const { timestamp, cpu } = record;
    if (this.#first !== this.#first) this.#first = timestamp;
    if (kind !== undefined) {
      const { id, minBytes } = kind.format;
      const told = this.#renaming[id];
      if (told !== undefined && record.size >= minBytes)
        for (const { pid, offset, size } of told)
          catalog.tasks.rename(pid(record), record.bytes, record.at + offset, size);
      const table = this.#events[id] ?? this.#makeTable(kind);
      if (table === undefined) this.#leftOut++;
      else {
        this.#files.added(table.add(record, catalog.pidOf(record)));
        this.#rows++;
      }
    } else this.#leftOut++;
    this.#scheduling?.add(record, kind);
    this.#last[cpu] = timestamp;
    this.#end = timestamp;
  }

  /** Undefined where there are too many. */
  #makeTable(kind: EventType): EventTable | undefined {
    const { system, name, id } = kind.format;
    if (this.#eventTables >= parquetLimits.eventTables) return undefined;
    this.#eventTables++;
    let table = tableName(name);
    // Engines, and some file systems, do not tell names apart by the case of their letters.
    const isTaken = (): boolean => ownTables.has(table.toLowerCase()) || this.#names.has(table.toLowerCase());
    if (isTaken()) table = tableName(`${system}__${name}`);
    for (let more = 2; isTaken(); more++) table = tableName(`${system}__${name}__${more}`);
    this.#names.add(table.toLowerCase());
    const { tasks } = this.#iterator.catalog;
    const { buffer } = this.#plan.place;
    return (this.#events[id] = new EventTable(kind, this.#base, { tasks, buffer }, (columns) =>
      this.open(table, columns),
    ));
  }

  #begin(catalog: EventCatalog): Scheduling {
    const { source } = this.#plan.part;
    const { guests = [] } = source.metadata;
    const tables = new SchedulingTables(this.#base, catalog.tasks, this);
    // Names out of switches each event takes here.
    const options = { cpus: source.cpus.length, namesFromSwitches: false };
    if (guests.length === 0) return new Scheduling(catalog, tables, { ...options, keepsHistory: false });
    const takers: SchedulingTaker[] = [tables];
    const taker: SchedulingTaker = {
      slice: (slice) => {
        for (const one of takers) one.slice?.(slice);
      },
      interrupt: (slice) => {
        for (const one of takers) one.interrupt?.(slice);
      },
      wait: (wait) => {
        for (const one of takers) one.wait?.(wait);
      },
    };
    const scheduling = new Scheduling(catalog, taker, options);
    const host = {
      meanwhile: (cpu: number, from: number, to: number) => scheduling.meanwhile(cpu, from, to),
      cpuOf: (pid: number) => scheduling.tasks.find(pid)?.cpu,
    };
    const opener = {
      openOf: (guest: string, name: string, columns: readonly Column[]) =>
        this.#files.open({ table: name, guest: foreignText(guest) }, columns, true),
      added: (table: Table) => this.#files.added(table),
    };
    takers.push(new VcpuTables(guests, this.#base, { tasks: catalog.tasks, host }, opener));
    return scheduling;
  }

  #time(stamp: number): bigint | undefined {
    return Number.isFinite(stamp) ? this.#iterator.epoch + BigInt(Math.round(stamp)) : undefined;
  }

  #warnings(): string[] {
    const warnings: string[] = [];
    if (this.#rows === 0) warnings.push("the recording holds no events");
    if (this.#plan.isMain && this.#scheduling === undefined)
      warnings.push("its clock does not count ns: there are no tables of slices, wake-ups and tasks");
    if (this.#leftOut > 0)
      warnings.push(`${counted(this.#leftOut, "event")} without a format, or of too many kinds, were left out`);
    for (const [cpu, { count, what }] of this.#damaged)
      warnings.push(`CPU ${cpu}: ${counted(count, "sub-buffer")} could not be read to the end: ${what}`);
    return warnings;
  }
}
