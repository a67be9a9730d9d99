/**
 * All CPUs' transfers: starts one for each CPU that is online and has a port, passes on orders, restarts failed
 * ones, and follows CPUs and ports that appear or go.
 */
import { describeErrno, E } from "../../ffi/errno.ts";
import { makeEventFd } from "../../ffi/eventfd.ts";
import { closeFd, seekBehindWhole } from "../../ffi/fd.ts";
import { textOf } from "../base/errors.ts";
import { onlineCpus } from "../tracefs/cpus.ts";
import { requireTracing, subBufferSizeBytes } from "../tracefs/tracefs.ts";
import { guestLimits } from "./limits.ts";
import { log } from "../base/log.ts";
import { dataPortName } from "../protocol/ports.ts";
import type { CpuState, PortState } from "../protocol/replies.ts";
import { CpuTransfer, type StreamEnd } from "./transfer/cpu-transfer.ts";
import type { Output } from "../transport/transport.ts";
import { Counter, isReading, Order, type RunState, Word, WorkerState } from "./transfer/run-state.ts";

export type SupervisorSetup = {
  run: RunState;
  tracingDirectory: string;
  /** All CPUs to serve, online or not; the index is the worker's number in the run state. */
  cpus: readonly number[];
  pipeSizeBytes: number;
  doneFd: number;
  /** Finds the outputs again. */
  findOutputs: () => void;
  /** Opens the output of a CPU: undefined when there is none (yet). Throws what prevents it. */
  openOutput: (cpu: number) => Output | undefined;
  /** States or streams changed. */
  onChange: () => void;
  /** The common output has no reader any more: nothing is left to do. */
  onOutputClosed: () => void;
};

type CpuSlot = {
  cpu: number;
  worker: number;
  /** Wakes its worker. As long as the agent lives: the control worker signals it too. */
  wakeFd: number;
  stream: CpuTransfer | undefined;
  state: "serving" | "parked" | "failed" | "no port";
  /** Restarts in a row, and in all. */
  tries: number;
  restarts: number;
  startedAt: number;
  retry: NodeJS.Timeout | undefined;
  /** It failed while running: the ring buffer's data still belongs to the host, even if a stop order came since. */
  flushPending: boolean;
  /** Why its port is closed, for a person; "" where it has no port. Reported once, not at each rescan. */
  complaint: string;
  /** Why it has no transfer, for a person. */
  reason: string;
  /** The errno with which its worker reported that it is not pinned: this is logged once. */
  toldPinErrno: number;
};

/** A CPU whose events stay in the guest. `offline`: it writes no events now. */
export type UnservedCpu = { cpu: number; offline: boolean; reason: string };

export class Supervisor {
  readonly #setup: SupervisorSetup;
  readonly #slots: CpuSlot[];
  #order: Order = Order.armed;

  constructor(setup: SupervisorSetup) {
    this.#setup = setup;
    this.#slots = setup.cpus.map((cpu, worker) => ({
      cpu,
      worker,
      wakeFd: makeEventFd(),
      stream: undefined,
      state: "no port",
      tries: 0,
      restarts: 0,
      startedAt: 0,
      retry: undefined,
      flushPending: false,
      complaint: "",
      reason: "",
      toldPinErrno: 0,
    }));
    for (const { worker, wakeFd } of this.#slots) setup.run.setWord(worker, Word.wakeFd, wakeFd);
  }

  /** Starts what can be started and parks what cannot: at the beginning, at a start order, and periodically. */
  rescan(): void {
    this.#setup.findOutputs();
    const online = onlineCpus();
    for (const slot of this.#slots) {
      if (online?.includes(slot.cpu) === false) this.#park(slot);
      else if (slot.state === "parked") this.#resume(slot);
      else if (slot.stream === undefined && slot.state !== "failed" && slot.retry === undefined) this.#start(slot);
    }
  }

  /** `search` false: every CPU was served a moment ago, and the data that move have the machine (control/early-start.ts). */
  order(order: Order, search = order === Order.running): void {
    this.#order = order;
    for (const slot of this.#slots) {
      // A start order gives failed CPUs a new chance.
      if (order === Order.running && slot.state === "failed") slot.state = "no port";
      if (order === Order.running) slot.tries = 0;
      // The worker of an offline CPU is armed, or about to be; an early start may have come between (control/early-start.ts).
      slot.stream?.order(slot.state === "parked" && order === Order.running ? Order.armed : order);
    }
    if (search) this.rescan();
  }

  /** Whether every live transfer is in this state, and no failed one is about to be restarted. */
  all(state: number): boolean {
    return this.#slots.every((slot) => {
      if (slot.stream === undefined) return slot.retry === undefined || slot.state === "no port";
      // An offline CPU counts as armed, whatever the order: its data was handed over when it went offline.
      if (slot.state === "parked") return slot.stream.state === WorkerState.armed;
      return slot.stream.state === state && !slot.flushPending;
    });
  }

  /** Whether no worker has trace_pipe_raw open. */
  get noneReads(): boolean {
    return this.#slots.every(({ stream }) => stream === undefined || !isReading(stream.state));
  }

  /** A worker's state changed: a restarted one that has handed over its rest goes back to the current order. */
  settle(): void {
    for (const slot of this.#slots) {
      this.#checkPinning(slot);
      if (!slot.flushPending || slot.stream === undefined || slot.stream.state !== WorkerState.running) continue;
      slot.flushPending = false;
      if (this.#order !== Order.running) slot.stream.order(this.#order);
    }
  }

  get serving(): number {
    return this.#slots.filter((slot) => slot.stream !== undefined).length;
  }

  get slots(): readonly {
    cpu: number;
    worker: number;
    state: CpuState;
    port: PortState;
    restarts: number;
    bytes: number;
  }[] {
    return this.#slots.map((slot) => ({
      cpu: slot.cpu,
      worker: slot.worker,
      state: cpuState(slot),
      port: slot.stream !== undefined ? "open" : slot.complaint === "" ? "absent" : "closed",
      restarts: slot.restarts,
      bytes: this.#setup.run.counter(slot.worker, Counter.bytes),
    }));
  }

  /** CPUs without a transfer: they are traced while online, and their data goes nowhere. */
  get unserved(): UnservedCpu[] {
    return this.#slots
      .filter((slot) => slot.stream === undefined)
      .map(({ cpu, state, reason }) => ({ cpu, offline: state === "parked", reason }));
  }

  /** Orders all workers to end; none is started any more. */
  close(): void {
    this.#order = Order.exit;
    for (const slot of this.#slots) {
      clearTimeout(slot.retry);
      slot.stream?.order(Order.exit);
    }
  }

  /** Gives back what workers and the control worker have used, when they have ended. */
  release(): void {
    for (const { wakeFd } of this.#slots) closeFd(wakeFd);
  }

  #start(slot: CpuSlot): void {
    if (this.#order === Order.exit) return;
    const { run, tracingDirectory, pipeSizeBytes, doneFd } = this.#setup;
    slot.retry = undefined;
    let output: Output | undefined;
    try {
      // Before the port is opened: the tracing directory can be gone.
      requireTracing(tracingDirectory);
      const subBufferBytes = subBufferSizeBytes(tracingDirectory);
      const opened = (output = this.#setup.openOutput(slot.cpu));
      if (opened === undefined) {
        this.#complain(slot, "", `no data port "${dataPortName(slot.cpu)}"`);
        return;
      }
      // A file keeps what an earlier worker or agent wrote.
      if (opened.traits.keeps && !opened.shared) seekBehindWhole(opened.fd, subBufferBytes);
      const { cpu, worker, wakeFd } = slot;
      const plan = { run, worker, cpu, tracingDirectory, subBufferBytes, pipeSizeBytes, doneFd, wakeFd };
      const order = slot.flushPending ? Order.running : this.#order;
      slot.stream = new CpuTransfer(plan, opened, order, (end) => this.#ended(slot, opened, end));
      slot.state = "serving";
      slot.complaint = "";
      slot.startedAt = performance.now();
    } catch (error) {
      if (output !== undefined && !output.shared) closeFd(output.fd);
      const text = textOf(error);
      this.#complain(slot, text, text);
    }
  }

  /** Logs once why a CPU is not served. */
  #complain(slot: CpuSlot, closed: string, reason: string): void {
    const first = slot.state !== "no port" || slot.complaint !== closed || slot.startedAt === 0;
    slot.state = "no port";
    slot.complaint = closed;
    slot.reason = reason;
    slot.flushPending = false;
    slot.startedAt = performance.now();
    if (first) log.warn(`CPU ${slot.cpu} is not served, its events stay in its ring buffer: ${reason}`);
    // An order may wait for this CPU.
    this.#setup.onChange();
  }

  /**
   * sched_setaffinity returns EINVAL for a CPU that is offline and for one outside the process's cpuset. The first
   * is parked. The second is served from the allowed CPUs: pinning saves a little work, the data is the same.
   */
  #checkPinning(slot: CpuSlot): void {
    const errno = slot.stream?.pinErrno ?? 0;
    if (errno === 0 || errno === slot.toldPinErrno || slot.state !== "serving") return;
    if (onlineCpus()?.includes(slot.cpu) === false) {
      this.#park(slot);
      return;
    }
    slot.toldPinErrno = errno;
    const why = errno === E.EINVAL ? "it is outside the cpuset of this process" : describeErrno(errno);
    log.warn(`CPU ${slot.cpu} is served by a worker that is not pinned to it: ${why}`);
  }

  /** Its events are handed over before it ends: the ring buffer of an offline CPU keeps them. */
  #park(slot: CpuSlot): void {
    if (slot.state === "parked") return;
    log.info(`CPU ${slot.cpu} is offline: parked`);
    slot.state = "parked";
    clearTimeout(slot.retry);
    slot.retry = undefined;
    slot.stream?.order(Order.armed);
  }

  /** The worker pins itself again when it starts to run: the kernel had moved it to another CPU. */
  #resume(slot: CpuSlot): void {
    log.info(`CPU ${slot.cpu} is online again`);
    slot.state = "no port";
    if (slot.stream === undefined) {
      this.#start(slot);
    } else {
      slot.state = "serving";
      slot.stream.order(this.#order);
    }
  }

  #ended(slot: CpuSlot, output: Output, end: StreamEnd): void {
    slot.stream = undefined;
    if (this.#order !== Order.exit && (end.errno !== 0 || end.part === "crash")) this.#failed(slot, output, end);
    this.#setup.onChange();
  }

  #failed(slot: CpuSlot, output: Output, end: StreamEnd): void {
    const gone =
      end.part === "port" && [E.ENODEV, E.EPIPE, E.ECONNRESET, E.ENOTCONN].some((number) => number === end.errno);
    if (gone && output.shared) {
      this.#setup.onOutputClosed();
      return;
    }
    slot.restarts++;
    if (gone) {
      slot.reason = `its data port is gone (${end.reason})`;
      log.warn(`CPU ${slot.cpu}: ${slot.reason}; it is served again when the port returns`);
      slot.state = "no port";
      slot.retry = setTimeout(() => this.#start(slot), guestLimits.portRetryMs);
      return;
    }
    slot.flushPending = slot.flushPending || this.#order === Order.running;
    if (performance.now() - slot.startedAt > guestLimits.workerSoundMs) slot.tries = 0;
    slot.reason = `${end.part}: ${end.reason}`;
    if (++slot.tries >= guestLimits.workerRestartsMax) {
      slot.state = "failed";
      slot.flushPending = false;
      log.error(`CPU ${slot.cpu}: given up after ${slot.tries} failures in a row, the others go on (${slot.reason})`);
      return;
    }
    const pauseMs = guestLimits.workerRestartMs * 2 ** (slot.tries - 1);
    log.warn(`CPU ${slot.cpu}: worker failed (${slot.reason}), restarting in ${pauseMs} ms`);
    slot.retry = setTimeout(() => this.#start(slot), pauseMs);
  }
}

function cpuState(slot: CpuSlot): CpuState {
  if (slot.state === "parked") return "parked";
  if (slot.stream === undefined) return "failed";
  const { state } = slot.stream;
  return isReading(state) || state === WorkerState.emptyingPipe ? "running" : "armed";
}
