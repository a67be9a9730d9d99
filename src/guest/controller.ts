/**
 * Carries out the host's orders, one after the other, and answers them.
 *
 * A start is done when every worker runs, so that a stop behind it in the same read still hands over all. A stop is done
 * when every worker is armed again: all that belongs to the host has gone into the ports. That can take as long as the host
 * likes, so other orders are heard meanwhile, and a new start takes the stop's place.
 */
import { messageOf } from "../errors.ts";
import { limits } from "../limits.ts";
import { log } from "../log.ts";
import type { Order as HostOrder } from "../protocol/orders.ts";
import type { Reply, RunState as ReplyState, StreamPosition } from "../protocol/replies.ts";
import { cpuStatus, summaryLines } from "./accounting.ts";
import { describeAgent } from "./hello.ts";
import type { ReplyWriter } from "./reply-writer.ts";
import { Counter, Order, type RunState, WorkerState } from "./run-state.ts";
import type { Settings } from "./settings.ts";
import type { Supervisor } from "./supervisor.ts";
import type { Waiters } from "./waiters.ts";

export type ControllerParts = {
  run: RunState;
  supervisor: Supervisor;
  settings: Settings;
  tracingDirectory: string;
  replies: ReplyWriter;
  /** Told of every change of a worker's state. */
  changes: Waiters;
  /** The state changed: armed or running. */
  onState: (state: ReplyState) => void;
};

export class Controller {
  readonly #parts: ControllerParts;
  #state: ReplyState = "armed";
  #heardHello = false;
  /** Counts start and stop orders: a later one takes the place of one that still waits. */
  #generation = 0;
  #startedAt: StreamPosition[] = [];
  #malformed = 0;

  constructor(parts: ControllerParts) {
    this.#parts = parts;
  }

  get state(): ReplyState {
    return this.#state;
  }

  /** The host went away: the next one has not said hello. */
  forgetHost(): void {
    this.#heardHello = false;
  }

  async carryOut(orders: readonly HostOrder[]): Promise<void> {
    for (const order of orders) {
      try {
        await this.#carryOutOne(order);
      } catch (error) {
        log.warn(`cannot carry out order "${order.order}": ${messageOf(error)}`);
        this.#answer({ reply: "error", order: order.order, error: messageOf(error) });
      }
    }
  }

  async start(): Promise<void> {
    const generation = ++this.#generation;
    const { supervisor, changes } = this.#parts;
    if (this.#state !== "running") {
      this.#startedAt = this.#positions();
      log.info("started");
      this.#setState("running");
    }
    supervisor.order(Order.running);
    const all = await changes.until(() => supervisor.all(WorkerState.running), limits.workerReadyMs);
    if (!all && generation === this.#generation) log.warn("not every CPU worker has started");
    this.#answer({ reply: "start", state: this.#state, streams: this.#startedAt });
  }

  /** Resolves to true when all was handed over, to false after `timeoutMs` or when a new start took its place. */
  async stop(timeoutMs?: number): Promise<boolean> {
    const generation = ++this.#generation;
    const wasRunning = this.#state === "running";
    const { supervisor, changes, run } = this.#parts;
    supervisor.order(Order.armed);
    const all = await changes.until(() => generation !== this.#generation || supervisor.all(WorkerState.armed), timeoutMs);
    if (!all || generation !== this.#generation) return false;
    this.#setState("armed");
    const streams = supervisor.seats.map(({ cpu, worker, bytes }) => ({
      cpu,
      bytes,
      lostBytes: run.counter(worker, Counter.lostBytes),
    }));
    this.#answer({ reply: "stop", state: "armed", streams });
    if (wasRunning) {
      log.info("stopped");
      this.logSummary();
    }
    return true;
  }

  logSummary(): void {
    for (const line of summaryLines(this.#statuses())) log.info(line);
    if (this.#malformed > 0) log.info(`${this.#malformed} orders ignored`);
    const { dropped } = this.#parts.replies;
    if (dropped > 0) log.info(`${dropped} replies dropped, the host did not read them`);
  }

  async #carryOutOne(order: HostOrder): Promise<void> {
    const { replies, supervisor, tracingDirectory, settings } = this.#parts;
    switch (order.order) {
      case "start":
        return this.start();
      case "stop":
        void this.stop();
        return undefined;
      case "hello":
        this.#heardHello = true;
        this.#lookAnew();
        replies.send(describeAgent(order.nonce, this.#state, supervisor, tracingDirectory));
        return undefined;
      case "status":
        this.#lookAnew();
        replies.send({ reply: "status", state: this.#state, repliesDropped: replies.dropped, cpus: this.#statuses() });
        return undefined;
      case "metadata": {
        const { packedMetadata } = await import("./packed-metadata.ts");
        const body = await packedMetadata(tracingDirectory);
        replies.send({ reply: "metadata", bytes: body.length, encoding: "gzip" }, body);
        // Some 30 MiB of text: an idle runtime would keep them.
        setImmediate(() => Bun.gc(true));
        return undefined;
      }
      case "set": {
        const previous = settings.set(order.key, order.value);
        log.info(`set ${order.key} to "${order.value}" for the host (was "${previous}")`);
        replies.send({ reply: "set", key: order.key, value: order.value, previous });
        return undefined;
      }
      case "malformed":
        this.#ignore(order.text, order.reason);
        return undefined;
    }
  }

  /** An armed agent looks at CPUs and ports only when it is asked. */
  #lookAnew(): void {
    if (this.#state !== "running") this.#parts.supervisor.rescan();
  }

  #ignore(text: string, reason: string): void {
    this.#malformed++;
    // The first few tell a person what is wrong; a flood of them must not flood the log.
    if (this.#malformed <= limits.malformedOrdersLogged) {
      const last = this.#malformed === limits.malformedOrdersLogged ? "; further ones are only counted" : "";
      log.warn(`ignored order ${JSON.stringify(text)}: ${reason}${last}`);
      this.#answer({ reply: "error", order: text, error: reason });
    }
  }

  /** A reply that only a host which said hello expects. */
  #answer(reply: Reply): void {
    if (this.#heardHello) this.#parts.replies.send(reply);
  }

  #statuses(): ReturnType<typeof cpuStatus> {
    const { run, supervisor, tracingDirectory } = this.#parts;
    return cpuStatus(run, supervisor, tracingDirectory);
  }

  #positions(): StreamPosition[] {
    return this.#parts.supervisor.seats.map(({ cpu, bytes }) => ({ cpu, bytes }));
  }

  #setState(state: ReplyState): void {
    this.#state = state;
    this.#parts.onState(state);
  }
}
