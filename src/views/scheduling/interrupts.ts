/** Interrupts of a machine: an entry and the exit that belongs to it, CPU by CPU. */
import type { EventCatalog, EventType } from "../../events/event-catalog.ts";
import type { EventRecord } from "../../events/event-record.ts";
import type { Reader } from "../../events/print-format/number-node.ts";
import { schedulingLimits } from "./limits.ts";
import type { InterruptKind, InterruptSlice } from "./slices.ts";

/** Of include/linux/interrupt.h. */
const softirqs = ["HI", "TIMER", "NET_TX", "NET_RX", "BLOCK", "IRQ_POLL", "TASKLET", "SCHED", "HRTIMER", "RCU"];

type Source = {
  kind: InterruptKind;
  isEntry: boolean;
  number: Reader;
  name: (record: EventRecord, number: number) => string;
};
type Open = { kind: InterruptKind; number: number; name: string; start: number; pid: number };

export class Interrupts {
  readonly #catalog: EventCatalog;
  readonly #take: (slice: InterruptSlice) => void;
  /** By the number of the event. */
  readonly #sources: (Source | undefined)[] = [];
  readonly #open: Open[][] = [];
  readonly #slice: InterruptSlice = { cpu: 0, kind: "irq", number: 0, name: "", pid: 0, start: 0, end: 0 };

  constructor(catalog: EventCatalog, take: (slice: InterruptSlice) => void) {
    this.#catalog = catalog;
    this.#take = take;
    this.#add("irq_handler", "irq", "irq", handlerNames(catalog));
    this.#add("softirq", "softirq", "vec", (_, vector) => softirqs[vector] ?? String(vector));
    for (const { system, name } of catalog.heads)
      if (system === "irq_vectors" && name.endsWith("_entry")) {
        const vector = name.slice(0, -"_entry".length);
        this.#add(vector, "vector", undefined, () => vector, system);
      }
  }

  /** False for other events. */
  add(record: EventRecord, kind: EventType): boolean {
    const source = this.#sources[kind.format.id];
    if (source === undefined) return false;
    const open = (this.#open[record.cpu] ??= []);
    const number = source.number(record);
    const at = open.findLastIndex((other) => other.kind === source.kind && other.number === number);
    if (!source.isEntry) {
      const begun = open[at];
      if (begun === undefined) return true;
      // Those above it have an exit that was not recorded.
      open.length = at;
      this.#take(Object.assign(this.#slice, begun, { cpu: record.cpu, end: record.timestamp }));
      return true;
    }
    // No interrupt interrupts itself: the exit of the earlier one was not recorded.
    if (at >= 0) open.length = at;
    if (open.length >= schedulingLimits.interruptDepth) open.shift();
    const [name, pid] = [source.name(record, number), this.#catalog.pidOf(record)];
    open.push({ kind: source.kind, number, name, start: record.timestamp, pid });
    return true;
  }

  /** Events were lost, or there was a switch, which is in no interrupt: what is open never ends. */
  forget(cpu: number): void {
    const open = this.#open[cpu];
    if (open !== undefined && open.length > 0) open.length = 0;
  }

  /** What the CPU is in: "irq 24 (virtio0)", "softirq TIMER"; "" for nothing that is known. */
  current(cpu: number): string {
    const open = this.#open[cpu]?.at(-1);
    return open === undefined ? "" : interruptText(open);
  }

  #add(event: string, kind: InterruptKind, field: string | undefined, name: Source["name"], system = "irq"): void {
    const [entry, exit] = [this.#catalog.find(system, `${event}_entry`), this.#catalog.find(system, `${event}_exit`)];
    for (const type of [entry, exit]) {
      const number = field === undefined ? (): number => 0 : type?.number(field)?.low;
      if (entry === undefined || exit === undefined || type === undefined || number === undefined) return;
      this.#sources[type.format.id] = { kind, isEntry: type === entry, number, name };
    }
  }
}

export function interruptText({ kind, number, name }: Pick<InterruptSlice, "kind" | "number" | "name">): string {
  if (kind === "irq") return name === "" ? `irq ${number}` : `irq ${number} (${name})`;
  return `${kind} ${name}`;
}

/** Of handlers that share a number the first that is seen. */
function handlerNames(catalog: EventCatalog): Source["name"] {
  const names = new Map<number, string>();
  const field = catalog.find("irq", "irq_handler_entry")?.dynamicText("name");
  return (record, number) => {
    let name = names.get(number);
    if (name === undefined) {
      name = field?.(record) ?? "";
      if (names.size < schedulingLimits.interruptKinds) names.set(number, name);
    }
    return name;
  };
}
