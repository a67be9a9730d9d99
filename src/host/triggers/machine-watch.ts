/**
 * Watches the streams of one machine's recording for what triggers are about. Most events are passed over after a look at their
 * number: what is looked at is what a trigger names.
 */
import { AgentError, messageOf } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import { EventCatalog, type EventType } from "../../events/event-catalog.ts";
import { EventRecord } from "../../events/event-record.ts";
import type { TraceMetadata } from "../../events/trace-metadata.ts";
import { SubBufferCursor } from "../../ring-buffer/sub-buffer.ts";
import { EventFilter } from "../../timeline/filter/event-filter.ts";
import type { RunningStream } from "../machines/running-recorder.ts";
import { StreamTail } from "./stream-tail.ts";
import type { Trigger } from "./trigger.ts";
import { WakeupWatch } from "./wakeup-watch.ts";

/** Called for what a trigger waits for. `what`: for people. */
export type Fire = (trigger: Trigger, what: string) => void;

type CpuState = { cursor: SubBufferCursor; newest: number; isPassedOver: boolean };
type EventRule = { trigger: Trigger; filter: EventFilter };

export class MachineWatch {
  readonly #name: string;
  readonly #metadata: TraceMetadata;
  readonly #catalog: EventCatalog;
  readonly #fire: Fire;
  readonly #tail: StreamTail;
  readonly #record = new EventRecord();
  readonly #cpus = new Map<number, CpuState>();
  readonly #rules: readonly EventRule[];
  readonly #wakeups: readonly WakeupWatch[];
  /** By an event's number: whether a trigger is about it. */
  readonly #isWanted = new Uint8Array(65_536);
  readonly #typeOffset: number;
  /** By CPU, when the recording began; what is older lay in the ring buffer. */
  readonly #since: ReadonlyMap<number, bigint>;
  #epoch: bigint | undefined;
  #nowMs = 0;

  constructor(
    machine: { name: string; metadata: TraceMetadata; since: ReadonlyMap<number, bigint>; latencyMs: number },
    triggers: readonly Trigger[],
    fire: Fire,
  ) {
    const { name, metadata, since, latencyMs } = machine;
    this.#name = name;
    this.#metadata = metadata;
    this.#since = since;
    this.#fire = fire;
    this.#catalog = new EventCatalog(metadata);
    this.#tail = new StreamTail(metadata.layout.sizeBytes, {
      take: (cpu, view, bytes) => this.#take(cpu, view, bytes),
      passedOver: (cpu) => (this.#cpu(cpu).isPassedOver = true),
    });
    this.#rules = triggers.flatMap((trigger) => this.#ruleOf(trigger));
    this.#wakeups = triggers.flatMap((trigger) => this.#wakeupsOf(trigger, latencyMs));
    for (const { format } of this.#wakeups.flatMap(({ events }) => events)) this.#isWanted[format.id] = 1;
    this.#typeOffset = this.#catalog.typeOffset;
  }

  /** Whether there is anything to look for. */
  get isNeeded(): boolean {
    return this.#rules.length > 0 || this.#wakeups.length > 0;
  }

  /** Reads for so long, and tells of what is certain by then. `nowMs`: performance.now(). */
  turn(streams: readonly RunningStream[], nowMs: number, forMs: number): void {
    this.#nowMs = nowMs;
    const behind = this.#tail.read(streams, performance.now() + forMs);
    let mostTime = Infinity;
    for (const [cpu, { newest }] of this.#cpus) if (behind.has(cpu)) mostTime = Math.min(mostTime, newest);
    for (const wakeups of this.#wakeups) wakeups.release(nowMs, mostTime);
  }

  #take(cpu: number, view: DataView<ArrayBuffer>, bytes: number): void {
    const { sizeBytes, littleEndian } = this.#metadata.layout;
    this.#epoch ??= view.getBigUint64(0, littleEndian);
    const state = this.#cpu(cpu);
    const { cursor } = state;
    const begun = this.#since.get(cpu);
    const since = begun === undefined ? -Infinity : Number(begun - this.#epoch);
    if (this.#record.view !== view) this.#record.attach(view);
    this.#record.cpu = cpu;
    for (let at = 0; at < bytes; at += sizeBytes) {
      cursor.reset(view, at);
      if (cursor.lostEvents !== 0 || state.isPassedOver) this.#gap(cpu, state, cursor.timestamp);
      this.#scan(view, cursor, since);
      if (cursor.damage !== undefined) this.#gap(cpu, state, cursor.timestamp);
      state.newest = Math.max(state.newest, cursor.timestamp);
    }
    for (const wakeups of this.#wakeups) wakeups.came(cpu, state.newest, this.#nowMs);
  }

  #scan(view: DataView<ArrayBuffer>, cursor: SubBufferCursor, since: number): void {
    const { littleEndian } = this.#metadata.layout;
    const isWanted = this.#isWanted;
    const typeOffset = this.#typeOffset;
    while (cursor.next()) {
      if (cursor.dataBytes < typeOffset + 2) continue;
      const id = view.getUint16(cursor.dataOffset + typeOffset, littleEndian);
      if (isWanted[id] !== 0 && cursor.timestamp >= since) this.#look(cursor);
    }
  }

  #look(cursor: SubBufferCursor): void {
    const record = this.#record;
    record.at = cursor.dataOffset;
    record.size = cursor.dataBytes;
    record.timestamp = cursor.timestamp;
    const kind = this.#catalog.kindOf(record);
    if (kind === undefined) return;
    for (const wakeups of this.#wakeups) wakeups.add(record, kind);
    for (const { trigger, filter } of this.#rules)
      if (filter.matches(record, kind)) this.#fire(trigger, `${this.#name}: ${nameOf(kind)} on CPU ${record.cpu}`);
  }

  #gap(cpu: number, state: CpuState, to: number): void {
    const from = Math.min(state.newest, to);
    for (const wakeups of this.#wakeups) wakeups.gap(cpu, from, to);
    state.isPassedOver = false;
  }

  #cpu(cpu: number): CpuState {
    let state = this.#cpus.get(cpu);
    if (state === undefined) {
      const cursor = new SubBufferCursor(this.#metadata.layout, this.#epoch);
      this.#cpus.set(cpu, (state = { cursor, newest: -Infinity, isPassedOver: false }));
    }
    return state;
  }

  /** None where this machine has no such event, or it has not the filter's fields: others may have. */
  #ruleOf(trigger: Trigger): EventRule[] {
    if (trigger.kind !== "event") return [];
    try {
      const filter = new EventFilter(this.#catalog, [trigger.filter]);
      const [system = "", name = ""] = trigger.event.split(":");
      const head = this.#catalog.heads.find((one) => one.system === system && one.name === name);
      if (head !== undefined) this.#isWanted[head.id] = 1;
      return [{ trigger, filter }];
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      log.warn(`${this.#name} is not watched for "${trigger.text}": ${messageOf(error)}`);
      return [];
    }
  }

  #wakeupsOf(trigger: Trigger, latencyMs: number): WakeupWatch[] {
    if (trigger.kind !== "latency") return [];
    const watch = WakeupWatch.of(this.#catalog, { mostNs: trigger.ns, latencyMs }, ({ pid, from, to, isOver }) =>
      this.#fire(
        trigger,
        `${this.#name}: task ${pid} ${isOver ? "waited" : "has been waiting for"} ${waitText(to - from)} for a CPU`,
      ),
    );
    if (typeof watch !== "string") return [watch];
    log.warn(`${this.#name} is not watched for "${trigger.text}": ${watch}`);
    return [];
  }
}

/** Below a millisecond to the microsecond: a trigger may ask for few of them. */
function waitText(ns: number): string {
  return ns < 1e6 ? `${Math.round(ns / 1e3)} us` : `${(ns / 1e6).toFixed(1)} ms`;
}

function nameOf({ format }: EventType): string {
  return `${format.system}:${format.name}`;
}
