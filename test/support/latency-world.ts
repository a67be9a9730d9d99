/**
 * A CPU whose events come at times that the test gives, its real splice loop and the real periodic check, under one clock that only
 * waits and calls move. It tells how long each event lay in the ring buffer, and who woke how often.
 */
import { spyOn } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { E } from "../../ffi/errno.ts";
import { readInto } from "../../ffi/fd.ts";
import { POLL } from "../../ffi/poll.ts";
import { LatencyCheck } from "../../src/guest/transfer/latency-check.ts";
import { latencyIndex, Order, Word, WorkerState } from "../../src/guest/transfer/run-state.ts";
import { moveStream } from "../../src/guest/transfer/splice-loop.ts";
import { dataSlot, wakeSlot } from "../../src/guest/transfer/stream.ts";
import { LoopWorld } from "./loop-world.ts";

const pageBytes = 4096;
/** What a call takes. */
const callMs = 0.01;

export type LatencyPlan = {
  /** When events come, in ms from the start of the run, in order. */
  events: readonly number[];
  untilMs: number;
  latencyMs: number;
  /** From then on. */
  laterLatency?: { atMs: number; latencyMs: number } | undefined;
  /** Pages until the ring buffer's own wake-up; 0: each event wakes, as in old kernels. */
  wakePages: number;
};

export type LatencyTrace = {
  /** How long each event waited, in the order of `events`. */
  waits: number[];
  workerWakes: number;
  /** Of the control worker's thread, for checks. */
  controlWakes: number;
};

const eventsPerPage = 50;

/** Runs until `untilMs`, then a stop order. */
export function traceLatency(plan: LatencyPlan): LatencyTrace {
  const world = new LoopWorld();
  try {
    return new LatencyWorld(world, plan).run();
  } finally {
    world.close();
  }
}

class LatencyWorld {
  readonly #world: LoopWorld;
  readonly #plan: LatencyPlan;
  readonly #check: LatencyCheck;
  readonly #stats: string;
  readonly #waits: number[] = [];
  #nowMs = 0;
  /** When the control worker wakes by itself. */
  #controlMs = Infinity;
  #workerWakes = 0;
  #controlWakes = 0;
  #polled = false;
  #revents = [0, 0];

  constructor(world: LoopWorld, plan: LatencyPlan) {
    this.#world = world;
    this.#plan = plan;
    const { tracingDirectory } = world.stream.settings;
    this.#stats = join(tracingDirectory, "per_cpu/cpu0/stats");
    writeFileSync(this.#stats, "entries: 0\n");
    this.#check = new LatencyCheck(world.run, tracingDirectory, [0]);
    world.run.setWord(0, Word.wakeFd, world.stream.wakeFd);
    Atomics.store(world.run.words, latencyIndex, plan.latencyMs);
  }

  run(): LatencyTrace {
    const { stream, run } = this.#world;
    const set = stream.dataPoll.set.bind(stream.dataPoll);
    const spies = [
      spyOn(performance, "now").mockImplementation(() => this.#nowMs),
      spyOn(this.#world, "splice").mockImplementation((from, _, length) => this.#splice(from, length)),
      spyOn(this.#world, "answer").mockImplementation((call) => (call === "read" ? this.#readPartial() : undefined)),
      spyOn(stream.dataPoll, "set").mockImplementation((slot, fd, events) => {
        if (slot === dataSlot) this.#polled = fd >= 0;
        set(slot, fd, events);
      }),
      spyOn(stream.dataPoll, "revents").mockImplementation((slot) => this.#revents[slot] ?? 0),
      spyOn(stream.dataPoll, "wait").mockImplementation((timeoutMs) => this.#wait(timeoutMs)),
    ];
    try {
      stream.sleepMs = -1;
      this.#world.order(Order.running);
      stream.begin();
      run.setWord(0, Word.state, WorkerState.running);
      this.#wakeControl();
      moveStream(stream);
    } finally {
      for (const spy of spies) spy.mockRestore();
      this.#check.close();
    }
    return { waits: this.#waits, workerWakes: this.#workerWakes, controlWakes: this.#controlWakes };
  }

  get #written(): number {
    const { events } = this.#plan;
    let from = this.#waits.length;
    while ((events[from] ?? Infinity) <= this.#nowMs) from++;
    return from;
  }

  #take(until: number): void {
    while (this.#waits.length < until)
      this.#waits.push(this.#nowMs - (this.#plan.events[this.#waits.length] ?? this.#nowMs));
  }

  /** Whole sub-buffers, and the rest of one that was read in part; or the way to the port, which always has room. */
  #splice(from: number, length: number): number | undefined {
    this.#nowMs += callMs;
    const { stream } = this.#world;
    if (from !== stream.rawFd) {
      for (let taken = 0; taken < length;) taken += readInto(stream.pipeRead, new Uint8Array(new ArrayBuffer(length)));
      return length;
    }
    const first = Math.floor(this.#waits.length / eventsPerPage);
    const end = Math.min(Math.floor(this.#written / eventsPerPage), first + length / pageBytes);
    if (end <= first) return -E.EAGAIN;
    this.#take(end * eventsPerPage);
    for (let page = first; page < end; page++) this.#world.fillPage();
    return (end - first) * pageBytes;
  }

  /** The first sub-buffer that has unread events, whole or not. */
  #readPartial(): number | undefined {
    this.#nowMs += callMs;
    const written = this.#written;
    if (written === this.#waits.length) return -E.EAGAIN;
    const pageEnd = (Math.floor(this.#waits.length / eventsPerPage) + 1) * eventsPerPage;
    this.#take(Math.min(written, pageEnd));
    this.#world.putPartial(1);
    return undefined;
  }

  #wait(timeoutMs: number): number {
    const { stream } = this.#world;
    const endMs = timeoutMs < 0 ? Infinity : this.#nowMs + timeoutMs;
    this.#revents = [0, 0];
    for (;;) {
      if (this.#controlMs <= this.#nowMs) this.#wakeControl();
      const dataMs = this.#polled ? this.#dataMs() : Infinity;
      const changeMs = this.#plan.laterLatency?.atMs ?? Infinity;
      const untilMs = Math.min(endMs, dataMs, this.#controlMs, changeMs, this.#plan.untilMs);
      this.#nowMs = Math.max(this.#nowMs, untilMs);
      if (untilMs === this.#plan.untilMs) {
        this.#world.order(Order.armed);
        return 1;
      }
      if (untilMs === changeMs) this.#changeLatency();
      if (this.#controlMs <= this.#nowMs) this.#wakeControl();
      if (this.#isSignalled(stream.wakeFd)) this.#revents[wakeSlot] = POLL.IN;
      if (dataMs <= this.#nowMs) this.#revents[dataSlot] = POLL.IN;
      const ready = this.#revents.filter((events) => events !== 0).length;
      if (ready === 0 && endMs > this.#nowMs) continue;
      this.#workerWakes++;
      return ready;
    }
  }

  /** When the ring buffer itself wakes who polls it. */
  #dataMs(): number {
    const { events, wakePages } = this.#plan;
    const taken = this.#waits.length;
    const first = wakePages === 0 ? taken : (Math.floor(taken / eventsPerPage) + wakePages) * eventsPerPage - 1;
    return events[first] ?? Infinity;
  }

  #changeLatency(): void {
    Atomics.store(this.#world.run.words, latencyIndex, this.#plan.laterLatency?.latencyMs ?? 0);
    this.#plan.laterLatency = undefined;
    this.#wakeControl();
  }

  #wakeControl(): void {
    this.#controlWakes++;
    writeFileSync(this.#stats, `entries: ${this.#written - this.#waits.length}\n`);
    const untilMs = this.#check.turn(this.#nowMs);
    this.#controlMs = untilMs < 0 ? Infinity : this.#nowMs + untilMs;
  }

  /** Clears it. The worker's own clearing finds nothing then, which does no harm. */
  #isSignalled(fd: number): boolean {
    return readInto(fd, new Uint8Array(new ArrayBuffer(8))) > 0;
  }
}
