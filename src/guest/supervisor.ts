/**
 * All CPU streams: starts one for each CPU that is online and has a port, gives them the orders, restarts what failed, and
 * follows CPUs and ports that come and go.
 */
import { statSync } from "node:fs";
import { E } from "../../ffi/errno.ts";
import { AgentError, messageOf } from "../errors.ts";
import { onlineCpus } from "../kernel/cpus.ts";
import { subBufferSizeBytes } from "../kernel/tracefs.ts";
import { limits } from "../limits.ts";
import { log } from "../log.ts";
import { dataPortName } from "../protocol/ports.ts";
import type { CpuState, PortState } from "../protocol/replies.ts";
import { CpuStream, type Output, type StreamEnd } from "./cpu-stream.ts";
import { Counter, Order, type RunState, WorkerState } from "./run-state.ts";

export type SupervisorSetup = {
  run: RunState;
  tracingDirectory: string;
  /** All CPUs to serve, online or not; the index is the worker's number in the run state. */
  cpus: readonly number[];
  pipeSizeBytes: number;
  doneFd: number;
  /** Looks where the outputs are now. */
  findOutputs: () => void;
  /** Opens the output of a CPU: undefined when there is none (yet). Throws what is in the way. */
  openOutput: (cpu: number) => Output | undefined;
  /** Something changed: states, streams. */
  onChange: () => void;
  /** The common output has no reader any more: nothing is left to do. */
  onOutputClosed: () => void;
};

type Seat = {
  cpu: number;
  worker: number;
  stream: CpuStream | undefined;
  state: "serving" | "parked" | "failed" | "no port";
  /** Tries in a row, and in all. */
  tries: number;
  restarts: number;
  startedAt: number;
  retry: NodeJS.Timeout | undefined;
  /** It failed while running: what the ring buffer holds still belongs to the host, also if a stop order came since. */
  owes: boolean;
  /** The last complaint about the port, so that a rescan does not repeat it. */
  complaint: string;
};

export class Supervisor {
  readonly #setup: SupervisorSetup;
  readonly #seats: Seat[];
  #order: Order = Order.armed;

  constructor(setup: SupervisorSetup) {
    this.#setup = setup;
    this.#seats = setup.cpus.map((cpu, worker) => ({
      cpu,
      worker,
      stream: undefined,
      state: "no port",
      tries: 0,
      restarts: 0,
      startedAt: 0,
      retry: undefined,
      owes: false,
      complaint: "",
    }));
  }

  /** Starts what can be started and parks what cannot: at the beginning, at a start order, and every now and then. */
  rescan(): void {
    this.#setup.findOutputs();
    const online = onlineCpus();
    for (const seat of this.#seats) {
      const present = online === undefined || online.includes(seat.cpu);
      if (!present) this.#park(seat);
      else if (seat.state === "parked") this.#resume(seat);
      else if (seat.stream === undefined && seat.state !== "failed" && seat.retry === undefined) this.#start(seat);
    }
  }

  order(order: Order): void {
    this.#order = order;
    for (const seat of this.#seats) {
      // A start order is a new chance for what was given up.
      if (order === Order.running && seat.state === "failed") seat.state = "no port";
      if (order === Order.running) seat.tries = 0;
      if (seat.state !== "parked") seat.stream?.order(order);
    }
    if (order === Order.running) this.rescan();
  }

  /** Whether every stream that lives is in this state, and none that failed is on its way back. */
  all(state: number): boolean {
    return this.#seats.every((seat) => {
      if (seat.stream === undefined) return seat.retry === undefined || seat.state === "no port";
      // It is armed, whatever the order in force: what it had was handed over when its CPU went offline.
      if (seat.state === "parked") return seat.stream.state === WorkerState.armed;
      return seat.stream.state === state && !seat.owes;
    });
  }

  /** A worker's state changed: one that was started again to hand over what it owes can go back to the order in force. */
  settle(): void {
    for (const seat of this.#seats) {
      if (!seat.owes || seat.stream === undefined || seat.stream.state !== WorkerState.running) continue;
      seat.owes = false;
      if (this.#order !== Order.running) seat.stream.order(this.#order);
    }
  }

  get serving(): number {
    return this.#seats.filter((seat) => seat.stream !== undefined).length;
  }

  get seats(): readonly { cpu: number; worker: number; state: CpuState; port: PortState; restarts: number; bytes: number }[] {
    return this.#seats.map((seat) => ({
      cpu: seat.cpu,
      worker: seat.worker,
      state: cpuState(seat),
      port: seat.stream !== undefined ? "open" : seat.complaint === "" ? "absent" : "closed",
      restarts: seat.restarts,
      bytes: this.#setup.run.counter(seat.worker, Counter.bytes),
    }));
  }

  /** CPUs that are online and have no stream: they are traced, and their data go nowhere. */
  get unserved(): number[] {
    return this.#seats.filter((seat) => seat.stream === undefined && seat.state !== "parked").map((seat) => seat.cpu);
  }

  /** The order to end; no worker is started any more. */
  close(): void {
    this.#order = Order.exit;
    for (const seat of this.#seats) {
      clearTimeout(seat.retry);
      seat.stream?.order(Order.exit);
    }
  }

  #start(seat: Seat): void {
    if (this.#order === Order.exit) return;
    const { run, tracingDirectory, pipeSizeBytes, doneFd } = this.#setup;
    seat.retry = undefined;
    try {
      const output = this.#setup.openOutput(seat.cpu);
      if (output === undefined) {
        this.#complain(seat, "", `CPU ${seat.cpu} has no data port "${dataPortName(seat.cpu)}": its events stay in the guest`);
        return;
      }
      const plan = {
        run,
        worker: seat.worker,
        cpu: seat.cpu,
        tracingDirectory,
        subBufferBytes: subBufferSizeBytes(tracingDirectory),
        pipeSizeBytes,
        doneFd,
      };
      const order = seat.owes ? Order.running : this.#order;
      seat.stream = new CpuStream(plan, output, order, (end) => this.#ended(seat, output, end));
      seat.state = "serving";
      seat.complaint = "";
      seat.startedAt = performance.now();
    } catch (error) {
      this.#complain(seat, error instanceof AgentError ? error.text : messageOf(error), "");
    }
  }

  /** Says once what keeps a CPU from being served. */
  #complain(seat: Seat, closed: string, absent: string): void {
    const first = seat.state !== "no port" || seat.complaint !== closed || seat.startedAt === 0;
    seat.state = "no port";
    seat.complaint = closed;
    seat.startedAt = performance.now();
    if (first) log.warn(closed === "" ? absent : `CPU ${seat.cpu} is not served: ${closed}`);
  }

  /** Its events are handed over before it ends: the ring buffer of an offline CPU keeps them. */
  #park(seat: Seat): void {
    if (seat.state === "parked") return;
    log.info(`CPU ${seat.cpu} is offline: parked`);
    seat.state = "parked";
    clearTimeout(seat.retry);
    seat.retry = undefined;
    seat.stream?.order(Order.armed);
  }

  /** The worker pins itself again when it starts to run: the kernel had moved it off the CPU. */
  #resume(seat: Seat): void {
    log.info(`CPU ${seat.cpu} is online again`);
    seat.state = "no port";
    if (seat.stream === undefined) {
      this.#start(seat);
    } else {
      seat.state = "serving";
      seat.stream.order(this.#order);
    }
  }

  #ended(seat: Seat, output: Output, end: StreamEnd): void {
    seat.stream = undefined;
    if (this.#order !== Order.exit && (end.errno !== 0 || end.part === "crash")) this.#failed(seat, output, end);
    this.#setup.onChange();
  }

  #failed(seat: Seat, output: Output, end: StreamEnd): void {
    const gone = end.part === "port" && [E.ENODEV, E.EPIPE, E.ECONNRESET, E.ENOTCONN].some((number) => number === end.errno);
    if (gone && output.shared) {
      this.#setup.onOutputClosed();
      return;
    }
    seat.restarts++;
    if (gone) {
      log.warn(`CPU ${seat.cpu}: its data port is gone (${end.reason}); it is served again when the port is back`);
      seat.state = "no port";
      seat.retry = setTimeout(() => this.#start(seat), limits.portRetryMs);
      return;
    }
    if (end.part === "pin" && end.errno === E.EINVAL) {
      this.#park(seat);
      return;
    }
    seat.owes = seat.owes || this.#order === Order.running;
    if (performance.now() - seat.startedAt > limits.workerSoundMs) seat.tries = 0;
    if (++seat.tries >= limits.workerRestartsMax) {
      seat.state = "failed";
      seat.owes = false;
      log.error(`CPU ${seat.cpu}: given up after ${seat.tries} failures in a row, the others go on (${end.part}: ${end.reason})`);
      return;
    }
    const pauseMs = limits.workerRestartMs * 2 ** (seat.tries - 1);
    log.warn(`CPU ${seat.cpu}: worker failed (${end.part}: ${end.reason}), started again in ${pauseMs} ms`);
    seat.retry = setTimeout(() => this.#start(seat), pauseMs);
  }
}

function cpuState(seat: Seat): CpuState {
  if (seat.state === "parked") return "parked";
  if (seat.stream === undefined) return "failed";
  const state = seat.stream.state;
  return state === WorkerState.running || state === WorkerState.flushing ? "running" : "armed";
}

/** Whether the tracing directory is still there: an instance can be removed under us. */
export function tracingExists(directory: string): boolean {
  return statSync(directory, { throwIfNoEntry: false }) !== undefined;
}

