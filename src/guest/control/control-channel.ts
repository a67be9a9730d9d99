/** The control port on main's side: opened, watched by the control worker, reopened after it was unplugged. */
import { describeErrno } from "../../../ffi/errno.ts";
import { makeEventFd, signalEventFd } from "../../../ffi/eventfd.ts";
import { closeFd } from "../../../ffi/fd.ts";
import { textOf } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import type { Order } from "../../protocol/orders.ts";
import { controlPortName } from "../../protocol/ports.ts";
import type { ControlWorkerJob, ControlWorkerMessage } from "./control-worker.ts";
import { openForReading, openForWriting } from "../../transport/port-open.ts";
import type { PortPath } from "../../transport/port-place.ts";
import { guestLimits } from "../limits.ts";
import { PortLock, PortUser } from "./port-lock.ts";
import { ReplyWriter } from "./reply-writer.ts";
import { controlBusyIndex, ControlState, type RunState } from "../transfer/run-state.ts";
import { controlWorkerFile, lastError } from "../worker-files.ts";

export type ControlHandlers = {
  /** The orders that came together; possibly none. Further ones follow when these are carried out. */
  onOrders: (orders: Order[]) => Promise<void>;
  onHost: (present: boolean) => void;
  /** A CPU worker changed its state. */
  onDone: () => void;
  /** A port's device node came or went. */
  onPorts: () => void;
  /** The port is gone (unplugged, or its socket closed). */
  onLost: () => void;
};

export type ControlChannelParts = {
  run: RunState;
  doneFd: number;
  /** Tells of device nodes (../machine-watch.ts); -1 where they cannot be watched. */
  devicesFd: number;
  tracingDirectory: string;
  /** All CPUs, by the number of their worker. */
  cpus: readonly number[];
};

export class ControlChannel {
  readonly replies: ReplyWriter;
  readonly #parts: ControlChannelParts;
  readonly #run: RunState;
  readonly #handlers: ControlHandlers;
  readonly #wakeFd = makeEventFd();
  #worker: Worker | undefined;
  #fds: number[] = [];
  #attached = false;
  #place: PortPath | undefined;
  #opening: Promise<void> | undefined;
  /** Batches of orders that are not carried out yet. */
  #inWork = 0;
  /** Failures of the worker in a row, when the current one started, and when the next is to be started. */
  #deaths = 0;
  #startedAt = 0;
  #restart: NodeJS.Timeout | undefined;

  constructor(parts: ControlChannelParts, handlers: ControlHandlers) {
    this.#parts = parts;
    this.#run = parts.run;
    this.replies = new ReplyWriter(new PortLock(parts.run.words, PortUser.main));
    this.#handlers = handlers;
  }

  /** Makes its worker read the run state. */
  wake(): void {
    signalEventFd(this.#wakeFd);
  }

  /** Whether a control port is open. */
  get attached(): boolean {
    return this.#attached;
  }

  /**
   * Opens the port, if there is one, and watches it. Throws what prevents opening; the states of the CPU workers
   * are watched all the same. A call during another returns the result of that one.
   */
  open(place: PortPath | undefined): Promise<void> {
    this.#opening ??= this.#open(place).finally(() => (this.#opening = undefined));
    return this.#opening;
  }

  async #open(place: PortPath | undefined): Promise<void> {
    this.#place = place;
    clearTimeout(this.#restart);
    // A port that is gone must be closed first: it would make the next open fail (EBUSY).
    if (this.#fds.length > 0) await this.#stop();
    let fds: { read: number; write: number } | undefined;
    try {
      fds = place === undefined ? undefined : openBoth(place);
    } catch (error) {
      if (this.#worker === undefined) this.#watch(undefined, undefined);
      throw error;
    }
    await this.#stop();
    this.#watch(place, fds);
  }

  async close(): Promise<void> {
    clearTimeout(this.#restart);
    await this.#opening?.catch(() => {});
    await this.#stop();
    closeFd(this.#wakeFd);
  }

  #watch(place: PortPath | undefined, fds: { read: number; write: number } | undefined): void {
    this.#fds = fds === undefined ? [] : [...new Set([fds.read, fds.write])];
    this.#attached = fds !== undefined;
    // Where replies would go into the very file that orders are read from, there is no way back.
    const oneWay = place !== undefined && place.path === place.readPath && !place.end.traits.duplex;
    const writeFd = oneWay ? -1 : (fds?.write ?? -1);
    this.replies.attach(writeFd);
    Atomics.store(this.#run.words, controlBusyIndex, this.#inWork > 0 ? ControlState.busy : ControlState.free);
    const worker = new Worker(controlWorkerFile, { smol: true });
    worker.onmessage = (message: MessageEvent<ControlWorkerMessage>) => this.#hear(message.data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#died(worker, lastError(event.message));
    };
    worker.addEventListener("close", () => this.#died(worker, "its thread ended"));
    const { doneFd, devicesFd, tracingDirectory, cpus } = this.#parts;
    worker.postMessage({
      memory: this.#run.memory,
      tracingDirectory,
      cpus,
      wakeFd: this.#wakeFd,
      doneFd,
      devicesFd,
      controlFd: fds?.read ?? -1,
      writeFd,
      traits: place?.end.traits,
    } satisfies ControlWorkerJob);
    this.#worker = worker;
    this.#startedAt = performance.now();
  }

  /** Neither the host nor the CPU workers are listened to now: another worker is started, at first soon. */
  #died(worker: Worker, reason: string): void {
    if (worker !== this.#worker) return;
    this.#worker = undefined;
    worker.terminate();
    this.#detach();
    if (performance.now() - this.#startedAt > guestLimits.workerSoundMs) this.#deaths = 0;
    const pauseMs = Math.min(guestLimits.workerRestartMs * 2 ** this.#deaths, guestLimits.rescanMs);
    this.#deaths++;
    log.error(`control port worker failed: ${reason}; orders are not read until it is restarted in ${pauseMs} ms`);
    this.#restart = setTimeout(() => void this.#reopen(), pauseMs);
  }

  async #reopen(): Promise<void> {
    try {
      await this.open(this.#place);
    } catch (error) {
      log.warn(`${textOf(error)}; retrying`);
      this.#handlers.onLost();
    }
    // State changes of the CPU workers in the meantime were not reported.
    this.#handlers.onDone();
  }

  #hear(news: ControlWorkerMessage): void {
    switch (news.kind) {
      case "orders":
        void this.#carryOut(news.orders);
        break;
      case "host":
        this.#handlers.onHost(news.present);
        break;
      case "done":
        this.#handlers.onDone();
        break;
      case "ports":
        this.#handlers.onPorts();
        break;
      case "lost":
        log.warn(`control port "${controlPortName}" is gone: ${describeErrno(news.errno)}; searching for it`);
        this.#attached = false;
        this.replies.attach(-1);
        this.#handlers.onLost();
        break;
      case "end":
        break;
    }
  }

  async #carryOut(orders: Order[]): Promise<void> {
    this.#inWork++;
    try {
      await this.#handlers.onOrders(orders);
    } finally {
      this.#inWork--;
      if (this.#inWork === 0) {
        Atomics.compareExchange(this.#run.words, controlBusyIndex, ControlState.busy, ControlState.free);
        signalEventFd(this.#wakeFd);
      }
    }
  }

  /** Ends the worker and closes its fds. One that does not end by itself is terminated. */
  async #stop(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    if (worker !== undefined) {
      const ended = Promise.withResolvers<void>();
      const timer = setTimeout(ended.resolve, guestLimits.controlEndMs);
      worker.onmessage = (message: MessageEvent<ControlWorkerMessage>) => {
        if (message.data.kind === "end") ended.resolve();
      };
      worker.onerror = (event) => {
        event.preventDefault();
        ended.resolve();
      };
      worker.addEventListener("close", () => ended.resolve());
      Atomics.store(this.#run.words, controlBusyIndex, ControlState.end);
      signalEventFd(this.#wakeFd);
      await ended.promise;
      clearTimeout(timer);
      worker.terminate();
    }
    this.#detach();
  }

  #detach(): void {
    this.replies.attach(-1);
    for (const fd of this.#fds.splice(0)) closeFd(fd);
    this.#attached = false;
  }
}

function openBoth(place: PortPath): { read: number; write: number } {
  const write = openForWriting(controlPortName, place);
  try {
    return { write, read: openForReading(controlPortName, place, write) };
  } catch (error) {
    closeFd(write);
    throw error;
  }
}
