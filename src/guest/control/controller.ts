/** Carries out the host's orders, one after the other, and replies. */
import { textOf } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import type { Order as HostOrder, SettableKey } from "../../protocol/orders.ts";
import { protocolLimits } from "../../protocol/limits.ts";
import type { Reply, RunState as ReplyState } from "../../protocol/replies.ts";
import { agentWords } from "../../protocol/words.ts";
import { requireTracing } from "../../tracefs/tracefs.ts";
import type { Supervisor } from "../supervisor.ts";
import { cpuStatus, summaryLines } from "../transfer/accounting.ts";
import { acksIndex, type RunState } from "../transfer/run-state.ts";
import { Findings } from "./findings.ts";
import { describeAgent } from "./hello.ts";
import { HostSession } from "./host-session.ts";
import type { Latency } from "./latency.ts";
import { LongValues } from "./long-values.ts";
import { MalformedOrders } from "./malformed-orders.ts";
import { MetadataOrder } from "./metadata-order.ts";
import { Progress, type ProgressWord } from "./progress.ts";
import type { ReplyWriter } from "./reply-writer.ts";
import { RunControl } from "./run-control.ts";
import { sendAll, sendSections } from "./sections-body.ts";
import { shortened } from "../settings/place.ts";
import type { Settings } from "./settings.ts";
import type { Waiters } from "./waiters.ts";

export type ControllerParts = {
  run: RunState;
  supervisor: Supervisor;
  settings: Settings;
  latency: Latency;
  tracingDirectory: string;
  replies: ReplyWriter;
  /** Called at every state change of a worker. */
  changes: Waiters;
  /** The state changed: armed or running. */
  onState: (state: ReplyState) => void;
};

/** Orders that are forms of `set`, and are called so in an error. */
const setOrders: ReadonlySet<string> = new Set(["lease", "latency_ms", "part"]);

export class Controller {
  readonly #parts: ControllerParts;
  readonly #runControl: RunControl;
  readonly #session: HostSession;
  readonly #findings: Findings;
  readonly #metadata: MetadataOrder;
  readonly #progress: Progress;
  readonly #longValues = new LongValues();
  readonly #malformed = new MalformedOrders((reply) => this.#answer(reply));
  #earlyStart = false;

  constructor(parts: ControllerParts) {
    this.#parts = parts;
    const { replies, settings, latency, supervisor, tracingDirectory } = parts;
    this.#runControl = new RunControl({
      ...parts,
      onStopped: () => this.logSummary(),
      onEarlyStart: () => this.#session.noteStart(),
    });
    this.#session = new HostSession({
      runControl: this.#runControl,
      settings,
      latency,
      setAcks: (acks) => Atomics.store(parts.run.words, acksIndex, acks ? 1 : 0),
      bytesTaken: () => supervisor.slots.reduce((sum, { worker }) => sum + parts.run.takenByHost(worker), 0),
      whileHeld: (one) => this.#restoring(one),
      send: (reply) => replies.send(reply),
      onEnded: () => this.permitEarlyStart(),
    });
    this.#findings = new Findings(tracingDirectory);
    this.#progress = new Progress(
      parts.run.words,
      () => this.#session.knowsProgress,
      // A line that is being sent is itself a sign of life.
      (reply) => replies.lineFits && replies.send(reply),
    );
    this.#metadata = new MetadataOrder({
      answer: (sections, signal) =>
        this.#working(
          "metadata",
          sections.length === 0
            ? sendAll(replies, tracingDirectory, this.#session.knowsFrames, signal)
            : sendSections(replies, tracingDirectory, sections),
        ),
      failed: (error) => this.#refuse("metadata", error),
    });
  }

  get state(): ReplyState {
    return this.#runControl.state;
  }

  /** To be called whenever something has changed that a start depends on. `may`: the agent has been armed, and does not end. */
  permitEarlyStart(may = this.#earlyStart): void {
    this.#earlyStart = may;
    this.#runControl.permitEarlyStart(may && this.#session.ending === undefined);
  }

  /** The host went away: the next one has not said hello. */
  forgetHost(): void {
    this.#session.hangUp();
  }

  /** Orders that came together; possibly none: some bytes of the host arrived. */
  async carryOut(orders: readonly HostOrder[]): Promise<void> {
    this.#session.lease.renew();
    this.#runControl.holdStarts();
    for (const order of orders) {
      try {
        await this.#carryOutOne(order);
      } catch (error) {
        this.#refuse(setOrders.has(order.order) ? "set" : order.order, error);
      }
    }
    this.permitEarlyStart();
  }

  async start(): Promise<void> {
    await this.#runControl.start();
  }

  /** Resolves when everything was handed over, or after `timeoutMs`. */
  async stop(timeoutMs: number): Promise<void> {
    await this.#runControl.stop(timeoutMs);
  }

  logSummary(): void {
    for (const line of summaryLines(this.#statuses())) log.info(line);
    if (this.#malformed.count > 0) log.info(`${this.#malformed.count} orders ignored`);
    const { dropped } = this.#parts.replies;
    if (dropped > 0) log.info(`${dropped} replies dropped: the host did not read them`);
  }

  async #carryOutOne(order: HostOrder): Promise<void> {
    const { replies, supervisor, tracingDirectory } = this.#parts;
    switch (order.order) {
      case "start":
        return this.#start();
      case "stop":
        this.#metadata.outdate();
        // Not awaited: other orders are handled meanwhile.
        void this.#stop();
        return undefined;
      case "hello":
        if (this.#session.hello(order.nonce)) {
          this.#malformed.beginSession();
          this.#metadata.cancel();
          replies.dropBodies();
          this.#findings.forgetFilters();
          this.#longValues.forget();
        }
        requireTracing(tracingDirectory);
        this.#rescanIfArmed();
        replies.send(describeAgent(order.nonce, this.state, supervisor, tracingDirectory, this.#findings.now));
        return undefined;
      case "host":
        this.#answer({ reply: "host", protocol: this.#session.introduce(order.protocol, order.words) });
        return undefined;
      case "status":
        this.#rescanIfArmed();
        replies.send({
          reply: "status",
          state: this.state,
          repliesDropped: replies.dropped,
          latencyMs: this.#parts.latency.ms,
          found: this.#findings.now,
          cpus: this.#statuses(),
          notServed: this.#runControl.notServed,
        });
        return undefined;
      case "metadata":
        await this.#sessionEnded();
        this.#metadata.order(order.sections);
        return undefined;
      case "set":
        await this.#sessionEnded();
        this.#longValues.forget(order.key);
        return this.#set(order.key, order.value);
      case "part":
        await this.#sessionEnded();
        return this.#part(order.key, order.part);
      case "restore":
        await this.#sessionEnded();
        return await this.#restore(order.keys);
      case "lease": {
        const previous = this.#session.lease.seconds;
        this.#session.lease.setSeconds(order.seconds);
        replies.send({ reply: "set", key: "lease", value: `${order.seconds}`, previous: `${previous}` });
        return undefined;
      }
      case "latency_ms":
        await this.#sessionEnded();
        return this.#setLatency(order.ms);
      case "ack":
      case "clock":
        // The control worker has taken it.
        return undefined;
      case "malformed":
        this.#malformed.ignore(order.text, order.reason);
        return undefined;
    }
  }

  async #start(): Promise<void> {
    await this.#sessionEnded();
    this.#metadata.outdate();
    if (this.state !== "running") this.#session.noteStart();
    const streams = await this.#working("start", this.#runControl.start());
    this.#answer({ reply: "start", state: this.state, streams });
  }

  async #stop(): Promise<void> {
    const stopped = await this.#progress.during("flush", this.#runControl.stop());
    this.permitEarlyStart();
    if (stopped !== undefined) this.#answer({ reply: "stop", state: "armed", ...stopped });
  }

  /** `told`: the value as the answer has it. */
  #set(key: SettableKey, value: string, told = value): void {
    const { replies, settings } = this.#parts;
    this.#metadata.outdate();
    try {
      const previous = this.#progress.whileHeld("set", () => settings.set(key, value));
      log.info(`set ${key} to "${shortened(value)}" for the host (was "${shortened(previous)}")`);
      replies.send({ reply: "set", key, value: told, previous });
    } finally {
      if (key === "events" || key === "filter") this.#findings.forgetFilters();
      this.#session.noteSetting();
    }
  }

  /** A value that came in parts is not told back. */
  #part(key: SettableKey, part: string | undefined): void {
    if (part === undefined) return this.#set(key, this.#longValues.take(key), "");
    this.#longValues.add(key, part);
    this.#parts.replies.send({ reply: "set", key: `${key}+`, value: "", previous: "" });
  }

  async #restore(keys: readonly SettableKey[]): Promise<void> {
    const { replies, settings } = this.#parts;
    this.#metadata.outdate();
    const failures = await this.#working(
      "restore",
      settings.restoreByAndBy(keys, (one) => this.#restoring(one)),
    );
    if (keys.length === 0) this.#parts.latency.restore();
    for (const failure of failures) log.error(`cannot restore what a host had set: ${failure}`);
    this.#session.noteSetting();
    replies.send({ reply: "restore", failures: failures.slice(0, protocolLimits.restoreFailures) });
  }

  #restoring(restore: () => string[]): string[] {
    this.#findings.forgetFilters();
    return this.#progress.whileHeld("restore", restore);
  }

  #setLatency(ms: number): void {
    const previous = this.#parts.latency.set(ms);
    log.info(`set latency_ms to ${ms} for the host (was ${previous})`);
    this.#parts.replies.send({ reply: "set", key: agentWords.latency, value: `${ms}`, previous: `${previous}` });
    this.#session.noteSetting();
  }

  /** Settings of an earlier session are restored before anything else is changed. */
  async #sessionEnded(): Promise<void> {
    const { ending } = this.#session;
    if (ending !== undefined) await this.#working("drain", ending);
  }

  /** The host waits for this and gets progress replies. (At a stop the agent waits for the host to take data.) */
  #working<T>(word: ProgressWord, work: Promise<T>): Promise<T> {
    return this.#session.lease.hold(this.#progress.during(word, work));
  }

  /** An armed agent rescans CPUs and ports only when it gets an order. */
  #rescanIfArmed(): void {
    if (this.state !== "running") this.#parts.supervisor.rescan();
  }

  #refuse(order: string, error: unknown): void {
    const text = textOf(error);
    log.warn(`cannot carry out order "${order}": ${text}`);
    this.#answer({ reply: "error", order, error: text });
  }

  /** A reply that only a host which said hello expects. */
  #answer(reply: Reply): void {
    if (this.#session.heardHello) this.#parts.replies.send(reply);
  }

  #statuses(): ReturnType<typeof cpuStatus> {
    const { run, supervisor, tracingDirectory } = this.#parts;
    return cpuStatus(run, supervisor, tracingDirectory);
  }
}
