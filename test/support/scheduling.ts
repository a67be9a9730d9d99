/** Events of a scheduler that was never there, for tests of what is made of them. */
import { EventCatalog } from "../../src/events/event-catalog.ts";
import { EventRecord } from "../../src/events/event-record.ts";
import { layoutOf } from "../../src/ring-buffer/sub-buffer.ts";
import { SchedulingSummary, type TaskChoice } from "../../src/views/scheduling/summary.ts";
import { madeField, madeFormat, madeSwitch, wakingFields } from "./made-formats.ts";

const formats = {
  sched: [madeSwitch(1), madeFormat("sched_waking", 2, wakingFields), madeFormat("sched_wakeup_new", 3, wakingFields)],
  irq: [
    madeFormat("irq_handler_entry", 4, [madeField("int irq", 8, 4), madeField("__data_loc char[] name", 12, 4)]),
    madeFormat("irq_handler_exit", 5, [madeField("int irq", 8, 4), madeField("int ret", 12, 4)]),
    madeFormat("softirq_entry", 6, [madeField("unsigned int vec", 8, 4)]),
    madeFormat("softirq_exit", 7, [madeField("unsigned int vec", 8, 4)]),
  ],
};

/** States of tasks that leave their CPU: `R+` as kernels from 4.14 on write it. */
export const left = { preempted: 0x100, running: 0, asleep: 1, blocked: 2, dead: 0x10, idle: 0x80 } as const;

export type Task = { pid: number; prio?: number };

/** A machine whose events a test tells, one after the other. Tasks are named "t7" by their pids. */
export class ToldMachine {
  readonly catalog = new EventCatalog({
    layout: layoutOf(4096, 8),
    formats: Object.entries(formats).flatMap(([system, texts]) => texts.map((text) => ({ system, text }))),
    cpus: 4,
    uname: "",
    cpuStats: [],
  });
  readonly summary: SchedulingSummary;
  readonly #record = new EventRecord();
  /** By CPU the task that runs, whose the events are. */
  readonly #current = new Map<number, number>();

  constructor(choice: TaskChoice = {}, options: { longest?: number; tasksMost?: number } = {}) {
    this.summary = new SchedulingSummary(this.catalog, { cpus: 4, longest: 10, ...options }, choice);
  }

  gap(cpu: number): void {
    this.summary.scheduling.gap(cpu);
    this.#current.delete(cpu);
  }

  finish(): void {
    this.summary.scheduling.finish();
  }

  switch(time: number, cpu: number, prev: Task, state: number, next: Task): void {
    this.#current.set(cpu, prev.pid);
    this.#add(time, cpu, 1, 64, (view) => {
      this.#name(view, 8, prev.pid);
      view.setInt32(24, prev.pid, true);
      view.setInt32(28, prev.prio ?? 120, true);
      view.setInt32(32, state, true);
      this.#name(view, 40, next.pid);
      view.setInt32(56, next.pid, true);
      view.setInt32(60, next.prio ?? 120, true);
    });
    this.#current.set(cpu, next.pid);
  }

  waking(time: number, cpu: number, task: Task, { target = cpu, isNew = false, flags = 0 } = {}): void {
    this.#add(time, cpu, isNew ? 3 : 2, 36, (view) => {
      view.setUint8(2, flags);
      this.#name(view, 8, task.pid);
      view.setInt32(24, task.pid, true);
      view.setInt32(28, task.prio ?? 120, true);
      view.setInt32(32, target, true);
    });
  }

  irq(from: number, to: number, cpu: number, irq: number, name: string): void {
    this.#add(from, cpu, 4, 16 + name.length + 1, (view) => {
      view.setInt32(8, irq, true);
      view.setUint32(12, 16 | ((name.length + 1) << 16), true);
      new Uint8Array(view.buffer).set(Buffer.from(name, "latin1"), 16);
    });
    this.#add(to, cpu, 5, 16, (view) => view.setInt32(8, irq, true));
  }

  softirq(isEntry: boolean, time: number, cpu: number, vector: number): void {
    this.#add(time, cpu, isEntry ? 6 : 7, 12, (view) => view.setInt32(8, vector, true));
  }

  #name(view: DataView, at: number, pid: number): void {
    new Uint8Array(view.buffer).set(Buffer.from(`t${pid}\0`, "latin1"), at);
  }

  #add(time: number, cpu: number, id: number, size: number, write: (view: DataView) => void): void {
    const view = new DataView(new ArrayBuffer(size));
    view.setUint16(0, id, true);
    view.setInt32(4, this.#current.get(cpu) ?? 0, true);
    write(view);
    this.#record.attach(view);
    this.#record.size = size;
    this.#record.cpu = cpu;
    this.#record.timestamp = time;
    this.summary.scheduling.add(this.#record, this.catalog.kindOf(this.#record));
  }
}
