/** The controller with a real supervisor and real workers on a directory that looks like tracefs: no root. */
import { clearEventFd, makeEventFd } from "../../ffi/eventfd.ts";
import { closeFd, O, readInto } from "../../ffi/fd.ts";
import { makePipe } from "../../ffi/pipe.ts";
import { Controller } from "../../src/guest/control/controller.ts";
import { EarlyStart } from "../../src/guest/control/early-start.ts";
import { Latency } from "../../src/guest/control/latency.ts";
import { PortLock, PortUser } from "../../src/guest/control/port-lock.ts";
import { ReplyWriter } from "../../src/guest/control/reply-writer.ts";
import { Settings } from "../../src/guest/control/settings.ts";
import { Waiters } from "../../src/guest/control/waiters.ts";
import { Supervisor } from "../../src/guest/supervisor.ts";
import { RunState, startIndex, WorkerState } from "../../src/guest/transfer/run-state.ts";
import { OrderDecoder } from "../../src/protocol/order-decoder.ts";
import { onlineCpus } from "../../src/tracefs/cpus.ts";
import { eventually } from "./agent-process.ts";
import { FakeTracing } from "./fake-tracing.ts";

/** Its only CPU. */
export const [cpu = 0] = onlineCpus() ?? [];

/** What the run state says while main lets the control worker start (early-start.ts). */
const permitted = 1;

export type Reply = Record<string, unknown>;

/** An agent without its ports: orders go in as bytes, replies come out of a pipe. */
export class ControllerWorld {
  readonly tracing = new FakeTracing([cpu]);
  readonly states: string[] = [];
  readonly settings = new Settings(this.tracing.path, { add: () => {}, clear: () => {} });
  readonly run = new RunState(1);
  readonly latency = new Latency(this.run, () => {});
  readonly controller: Controller;
  readonly supervisor: Supervisor;
  readonly #doneFd = makeEventFd();
  readonly #replies = makePipe(O.NONBLOCK);
  readonly #decoder = new OrderDecoder();
  readonly #timer: NodeJS.Timeout;
  #text = "";
  #searches = 0;

  constructor() {
    const { run } = this;
    const changes = new Waiters();
    const { path: tracingDirectory } = this.tracing;
    const replies = new ReplyWriter(new PortLock(run.words, PortUser.main));
    replies.attach(this.#replies.write);
    this.supervisor = new Supervisor({
      run,
      tracingDirectory,
      cpus: [cpu],
      pipeSizeBytes: 65_536,
      doneFd: this.#doneFd,
      findOutputs: () => {
        this.#searches++;
      },
      openOutput: () => this.tracing.output(cpu),
      onChange: () => changes.changed(),
      onOutputClosed: () => {},
    });
    const onState = (state: string): unknown => this.states.push(state);
    const { settings } = this;
    this.controller = new Controller({
      run,
      supervisor: this.supervisor,
      settings,
      latency: this.latency,
      tracingDirectory,
      replies,
      changes,
      onState,
    });
    // In the agent the control worker hears of it, and tells main.
    this.#timer = setInterval(() => {
      clearEventFd(this.#doneFd);
      this.supervisor.settle();
      this.controller.permitEarlyStart();
      changes.changed();
    }, 2);
  }

  async arm(): Promise<this> {
    this.supervisor.rescan();
    await eventually(() => this.supervisor.all(WorkerState.armed), "armed");
    return this;
  }

  /** Carries orders out and gives the replies that have come until there are as many as asked for. */
  async order(text: string, replies: number): Promise<Reply[]> {
    await this.controller.carryOut(this.#decoder.decode(Buffer.from(text, "latin1")));
    const found: Reply[] = [];
    await eventually(
      () => {
        found.push(...this.#take());
        return found.length >= replies;
      },
      `${replies} replies to ${JSON.stringify(text)}`,
      () => JSON.stringify(found),
    );
    return found;
  }

  /** What the control worker does with bytes that it has read while main rests; main has not heard of them. */
  readEarly(text: string): void {
    const bytes = new Uint8Array(new ArrayBuffer(text.length));
    bytes.set(Buffer.from(text, "latin1"));
    new EarlyStart(this.run, `${this.tracing.path}/per_cpu`, 1).consider(bytes);
  }

  /** How often the supervisor has looked for CPUs and ports. */
  get searches(): number {
    return this.#searches;
  }

  /** Whether the control worker may order a start now. */
  get permitsEarlyStart(): boolean {
    return Atomics.load(this.run.words, startIndex) === permitted;
  }

  #take(): Reply[] {
    const bytes = new Uint8Array(new ArrayBuffer(1 << 16));
    const count = readInto(this.#replies.read, bytes);
    if (count > 0) this.#text += Buffer.from(bytes.subarray(0, count)).toString("latin1");
    const lines = this.#text.split("\n");
    this.#text = lines.pop() ?? "";
    return lines.map((line) => JSON.parse(line) as Reply);
  }

  async close(): Promise<void> {
    this.supervisor.close();
    await eventually(() => this.supervisor.serving === 0, "all workers end");
    clearInterval(this.#timer);
    this.supervisor.release();
    for (const fd of [this.#doneFd, this.#replies.read, this.#replies.write]) closeFd(fd);
    this.tracing.close();
  }
}
