/** The control port in main's hands: opened, watched by the control worker, opened again when it was unplugged. */
import { describeErrno } from "../../ffi/errno.ts";
import { makeEventFd, signalEventFd } from "../../ffi/eventfd.ts";
import { closeFd } from "../../ffi/fd.ts";
import { log } from "../log.ts";
import { type Order, OrderDecoder } from "../protocol/orders.ts";
import { controlPortName } from "../protocol/ports.ts";
import { ControlState, type ControlWorkerJob, type ControlWorkerMessage } from "./control-worker.ts";
import { openForReading, openForWriting } from "./port-open.ts";
import type { PortPath } from "./port-place.ts";
import { ReplyWriter } from "./reply-writer.ts";
import { controlBusyIndex, type RunState } from "./run-state.ts";

export type ControlHandlers = {
  /** The orders of one read; no more is read until they are carried out. */
  onOrders: (orders: Order[]) => Promise<void>;
  onHost: (present: boolean) => void;
  /** A CPU worker changed its state. */
  onDone: () => void;
  /** The port is gone (unplugged, or its socket closed). */
  onLost: () => void;
};

export class ControlChannel {
  readonly replies = new ReplyWriter();
  readonly #run: RunState;
  readonly #doneFd: number;
  readonly #handlers: ControlHandlers;
  readonly #wakeFd = makeEventFd();
  #decoder = new OrderDecoder();
  #worker: Worker | undefined;
  #fds: number[] = [];
  #attached = false;

  constructor(run: RunState, doneFd: number, handlers: ControlHandlers) {
    this.#run = run;
    this.#doneFd = doneFd;
    this.#handlers = handlers;
  }

  /** Whether a control port is held. */
  get attached(): boolean {
    return this.#attached;
  }

  /** Opens the port, if there is one, and begins to watch. Throws what is in the way of the port. */
  async open(place: PortPath | undefined): Promise<void> {
    const fds = place === undefined ? undefined : openBoth(place);
    await this.#stop();
    this.#fds = fds === undefined ? [] : [...new Set([fds.read, fds.write])];
    this.#attached = fds !== undefined;
    this.#decoder = new OrderDecoder();
    // Where orders come out of the very file that replies would go into, there is no way back.
    const oneWay = place !== undefined && place.path === place.readPath && (place.kind === "fifo" || place.kind === "file");
    this.replies.attach(oneWay ? -1 : (fds?.write ?? -1));
    this.#watch({
      memory: this.#run.memory,
      wakeFd: this.#wakeFd,
      doneFd: this.#doneFd,
      controlFd: fds?.read ?? -1,
      controlKind: place?.kind ?? "file",
    });
  }

  async close(): Promise<void> {
    await this.#stop();
    closeFd(this.#wakeFd);
  }

  #watch(job: ControlWorkerJob): void {
    Atomics.store(this.#run.words, controlBusyIndex, ControlState.free);
    const worker = new Worker(new URL("./control-worker.ts", import.meta.url), { smol: true });
    worker.onmessage = (message: MessageEvent<ControlWorkerMessage>) => this.#hear(message.data);
    worker.onerror = (event) => {
      event.preventDefault();
      log.error(`control port worker failed: ${event.message}`);
      this.#handlers.onLost();
    };
    worker.postMessage(job);
    this.#worker = worker;
  }

  #hear(news: ControlWorkerMessage): void {
    switch (news.kind) {
      case "bytes":
        void this.#carryOut(this.#decoder.decode(news.bytes));
        break;
      case "host":
        // Half an order of a host that went away is not the beginning of the next one's.
        if (!news.present) this.#decoder = new OrderDecoder();
        this.#handlers.onHost(news.present);
        break;
      case "done":
        this.#handlers.onDone();
        break;
      case "lost":
        log.warn(`control port "${controlPortName}" is gone: ${describeErrno(news.errno)}; looking for it again`);
        this.#attached = false;
        this.replies.attach(-1);
        this.#handlers.onLost();
        break;
      case "end":
        break;
    }
  }

  async #carryOut(orders: Order[]): Promise<void> {
    try {
      await this.#handlers.onOrders(orders);
    } finally {
      Atomics.compareExchange(this.#run.words, controlBusyIndex, ControlState.busy, ControlState.free);
      signalEventFd(this.#wakeFd);
    }
  }

  /** Ends the worker and gives its fds back. */
  async #stop(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    if (worker !== undefined) {
      const ended = new Promise<void>((resolve) => {
        worker.onmessage = (message: MessageEvent<ControlWorkerMessage>) => {
          if (message.data.kind === "end") resolve();
        };
        worker.onerror = () => resolve();
      });
      Atomics.store(this.#run.words, controlBusyIndex, ControlState.end);
      signalEventFd(this.#wakeFd);
      await ended;
      worker.terminate();
    }
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
