/**
 * Starting and stopping the transfer of all CPUs.
 *
 * A start is done when every worker runs, so that a stop behind it in the same read still hands over everything. A
 * stop is done when every worker is armed again: all data that belongs to the host has gone into the ports. That
 * can take as long as the host likes, so other orders are handled meanwhile, and a new start takes the stop's
 * place.
 */
import { log } from "../../base/log.ts";
import type { NotServedCpu, RunState as ReplyState, StartPosition, StopReply } from "../../protocol/replies.ts";
import { requireTracing } from "../../tracefs/tracefs.ts";
import { guestLimits } from "../limits.ts";
import type { Supervisor } from "../supervisor.ts";
import { NotServedAccounting, notServedLine } from "../transfer/not-served.ts";
import { Counter, Order, type RunState, WorkerState } from "../transfer/run-state.ts";
import { StartPermit } from "./early-start.ts";
import type { Waiters } from "./waiters.ts";

export type RunControlParts = {
  run: RunState;
  supervisor: Supervisor;
  tracingDirectory: string;
  /** Called at every state change of a worker. */
  changes: Waiters;
  /** The state changed: armed or running. */
  onState: (state: ReplyState) => void;
  /** A run has ended. */
  onStopped: () => void;
  /** A run has begun by a start that the control worker ordered. */
  onEarlyStart: () => void;
};

/** What a run handed over, and what it could not. */
export type Stopped = Pick<StopReply, "streams" | "notServed">;

export class RunControl {
  readonly #parts: RunControlParts;
  readonly #notServed: NotServedAccounting;
  #state: ReplyState = "armed";
  /** Counts start and stop orders: a later one supersedes one that still waits. */
  #generation = 0;
  #startedAt: StartPosition[] = [];
  /** The run has begun, and its trace times are not known yet. */
  #timesDue = false;
  /** Starts and stops that are not done. */
  #underWay = 0;
  readonly #permit: StartPermit;

  constructor(parts: RunControlParts) {
    this.#parts = parts;
    this.#permit = new StartPermit(parts.run);
    this.#notServed = new NotServedAccounting(parts.tracingDirectory);
  }

  get state(): ReplyState {
    return this.#state;
  }

  /** CPUs whose events stay in the guest. */
  get notServed(): NotServedCpu[] {
    return this.#notServed.list(this.#parts.supervisor.unserved, this.#state === "running");
  }

  /**
   * Lets the control worker order the next start by itself where `may` says so, every CPU is served and rests, and no order is
   * under way; else holds starts.
   */
  permitEarlyStart(may: boolean): void {
    const rests = this.#state === "armed" && this.#underWay === 0;
    if (may && rests && this.#allArmed() && this.#parts.supervisor.slots.every(({ state }) => state === "armed"))
      this.#permit.give();
    else this.holdStarts();
  }

  /** From here on the control worker orders no start. One that it has ordered is a run that has begun. */
  holdStarts(): void {
    if (!this.#permit.takeBack() || this.#state === "running") return;
    const { supervisor, run } = this.#parts;
    const startedAt = supervisor.slots.map(({ cpu, worker }) => ({
      cpu,
      bytes: run.counter(worker, Counter.bytesAtStart),
    }));
    this.#begin(startedAt, () => supervisor.order(Order.running, false));
    this.#parts.onEarlyStart();
  }

  /** Where the run began, once every worker runs. */
  async start(): Promise<StartPosition[]> {
    this.holdStarts();
    const generation = ++this.#generation;
    const { supervisor, tracingDirectory } = this.#parts;
    requireTracing(tracingDirectory);
    const order = (): void => supervisor.order(Order.running);
    if (this.#state !== "running")
      this.#begin(
        supervisor.slots.map(({ cpu, bytes }) => ({ cpu, bytes })),
        order,
      );
    else if (!this.#timesDue) order();
    const timesDue = this.#timesDue;
    this.#timesDue = false;
    const all = await this.#until(() => supervisor.all(WorkerState.running), guestLimits.workerReadyMs);
    if (!all && generation === this.#generation) log.warn("some CPU workers have not started");
    if (timesDue) this.#noteTimes();
    return this.#startedAt;
  }

  #begin(startedAt: StartPosition[], order: () => void): void {
    this.#startedAt = startedAt;
    this.#timesDue = true;
    this.#notServed.begin(this.#parts.supervisor.unserved);
    // First of all: the ring buffer may be full, and the rest takes longer than waking the workers.
    order();
    log.info("started");
    this.#setState("running");
  }

  /** What was handed over; undefined after `timeoutMs`, or when a later order superseded it. */
  async stop(timeoutMs?: number): Promise<Stopped | undefined> {
    this.holdStarts();
    const generation = ++this.#generation;
    const wasRunning = this.#state === "running";
    const { supervisor, run } = this.#parts;
    supervisor.order(Order.armed);
    const all = await this.#until(() => generation !== this.#generation || this.#allArmed(), timeoutMs);
    if (!all || generation !== this.#generation) return undefined;
    const { notServed } = this;
    this.#setState("armed");
    const streams = supervisor.slots.map(({ cpu, worker, bytes }) => ({
      cpu,
      bytes,
      lostBytes: run.counter(worker, Counter.lostBytes),
    }));
    if (wasRunning) {
      log.info("stopped");
      for (const cpu of notServed) log.warn(notServedLine(cpu));
      this.#parts.onStopped();
    }
    return { streams, notServed };
  }

  /**
   * Ends the run, and waits up to `timeoutMs` for the ports. After that nothing more is read, so that the tracer can be
   * restored; what was read before is handed over when the ports take it.
   */
  async end(timeoutMs: number): Promise<void> {
    const { supervisor, changes } = this.#parts;
    void this.stop();
    const generation = this.#generation;
    const all = await changes.until(() => generation !== this.#generation || this.#allArmed(), timeoutMs);
    if (all) return;
    log.warn("the ports do not take the rest of the run: what the ring buffer still holds is not sent");
    supervisor.order(Order.noMoreReads);
    await changes.until(() => supervisor.noneReads, guestLimits.workerReadyMs);
  }

  async #until(condition: () => boolean, timeoutMs?: number): Promise<boolean> {
    this.#underWay++;
    try {
      return await this.#parts.changes.until(condition, timeoutMs);
    } finally {
      this.#underWay--;
    }
  }

  /** Of the CPUs that are read: a worker that is restarted later does not change them. */
  #noteTimes(): void {
    const { supervisor, run } = this.#parts;
    for (const { cpu, worker, state } of supervisor.slots) {
      const position = this.#startedAt.find((other) => other.cpu === cpu);
      const time = state === "running" ? run.beginTime(worker) : undefined;
      if (position !== undefined && time !== undefined) position.time = `${time}`;
    }
  }

  #allArmed(): boolean {
    return this.#parts.supervisor.all(WorkerState.armed);
  }

  #setState(state: ReplyState): void {
    this.#state = state;
    this.#parts.onState(state);
  }
}
