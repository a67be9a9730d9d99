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

  constructor(parts: RunControlParts) {
    this.#parts = parts;
    this.#notServed = new NotServedAccounting(parts.tracingDirectory);
  }

  get state(): ReplyState {
    return this.#state;
  }

  /** CPUs whose events stay in the guest. */
  get notServed(): NotServedCpu[] {
    return this.#notServed.list(this.#parts.supervisor.unserved, this.#state === "running");
  }

  /** Where the run began, once every worker runs. */
  async start(): Promise<StartPosition[]> {
    const generation = ++this.#generation;
    const { supervisor, changes, tracingDirectory } = this.#parts;
    requireTracing(tracingDirectory);
    const begins = this.#state !== "running";
    if (begins) {
      this.#startedAt = supervisor.slots.map(({ cpu, bytes }) => ({ cpu, bytes }));
      this.#notServed.begin(supervisor.unserved);
    }
    // First of all: the ring buffer may be full, and the rest takes longer than waking the workers.
    supervisor.order(Order.running);
    if (begins) {
      log.info("started");
      this.#setState("running");
    }
    const all = await changes.until(() => supervisor.all(WorkerState.running), guestLimits.workerReadyMs);
    if (!all && generation === this.#generation) log.warn("some CPU workers have not started");
    if (begins) this.#noteTimes();
    return this.#startedAt;
  }

  /** What was handed over; undefined after `timeoutMs`, or when a later order superseded it. */
  async stop(timeoutMs?: number): Promise<Stopped | undefined> {
    const generation = ++this.#generation;
    const wasRunning = this.#state === "running";
    const { supervisor, changes, run } = this.#parts;
    supervisor.order(Order.armed);
    const all = await changes.until(() => generation !== this.#generation || this.#allArmed(), timeoutMs);
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
