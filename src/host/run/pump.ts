/**
 * Moves what the ports of one guest bring: data into the spool or to a live view, replies to the reader. The loop that it is
 * given says when; it may serve other guests too. Nothing is held in memory but one read of the control port.
 */
import { threadCpuMs } from "../../../ffi/clocks.ts";
import { describeErrno, E } from "../../../ffi/errno.ts";
import { readInto } from "../../../ffi/fd.ts";
import { protocolLimits } from "../../protocol/limits.ts";
import { hostLimits } from "../limits.ts";
import type { StreamPosition } from "../../protocol/replies.ts";
import { Acknowledgements } from "./acknowledgements.ts";
import type { Allowance } from "./allowance.ts";
import type { DataPortReader } from "./data-port-reader.ts";
import { Moved } from "./data-port-reader.ts";
import type { ControlPort } from "../../transport/host-port.ts";
import { type PortLoop, Served } from "./port-loop.ts";

/** One for all guests: what was read is taken at once. */
const readBuffer = new Uint8Array(new ArrayBuffer(protocolLimits.controlReadBytes));

export class Pump {
  readonly readers: readonly DataPortReader[];
  /** The reader whose spool file could not be written. */
  full: DataPortReader | undefined;
  /** The control port's other end is closed: the VM ended. */
  controlGone = false;
  /** Asked after each read: then the ports are held, until `hold` says otherwise. */
  isFull: (() => boolean) | undefined;
  /** performance.now() of the last byte on any data port. */
  lastDataMs = performance.now();
  /** Bytes that the control port brought. */
  controlBytes = 0;
  readonly #loop: PortLoop;
  readonly #control: ControlPort;
  readonly #take: (bytes: Uint8Array) => void;
  #acknowledgements: Acknowledgements | undefined;
  #held = false;
  /** Bytes of the control port that are read at a time. */
  #controlShare: number = readBuffer.length;
  readonly #allowance: Allowance;
  readonly #cpuMs: () => number;
  /** An error thrown by a receiver: it belongs to this guest's run, not to the loop that other guests share. */
  #failure: { error: unknown } | undefined;

  /** `take` receives what the control port brings; the bytes are valid until it returns. `allowance`: for that. `cpuMs`: CPU time of this thread. */
  constructor(
    loop: PortLoop,
    control: ControlPort,
    readers: readonly DataPortReader[],
    take: (bytes: Uint8Array) => void,
    allowance: Allowance,
    cpuMs: () => number = threadCpuMs,
  ) {
    this.readers = readers;
    this.#loop = loop;
    this.#control = control;
    this.#take = take;
    this.#allowance = allowance;
    this.#cpuMs = cpuMs;
    loop.watch(control.readFd, () => this.#noting(() => this.#readControl()));
    for (const reader of readers) {
      reader.shareOf(readers.length);
      this.#watch(reader);
    }
  }

  /** Begins to tell the guest what is taken. `positions`: of its streams, when nothing of them is on its way. */
  acknowledge(positions: readonly StreamPosition[]): void {
    this.#acknowledgements = new Acknowledgements(this.#control, this.readers, positions);
  }

  /** The run has ended, and all of it was taken. */
  acknowledgeRest(): void {
    this.#acknowledgements?.tell();
  }

  /** While held, data stays in the ports, because the receiver is behind. The control port is still served. */
  hold(held: boolean): void {
    if (held === this.#held) return;
    this.#held = held;
    for (const reader of this.readers) {
      if (reader.gone) continue;
      if (held) this.#loop.unwatch(reader.fd);
      else this.#watch(reader);
    }
  }

  /** Takes the ports out of a loop that goes on, before they are closed. */
  leave(): void {
    this.#loop.unwatch(this.#control.readFd);
    for (const reader of this.readers) this.#loop.unwatch(reader.fd);
  }

  /** Serves the ports for a while, or until `enough` says so. `patient`: no answer is waited for. */
  async turns(forMs: number, enough: () => boolean = () => false, patient = false): Promise<void> {
    const full = this.full;
    await this.#loop.until(forMs, () => enough() || this.full !== full || this.#failure !== undefined, patient);
    if (this.#failure === undefined) return;
    const { error } = this.#failure;
    this.#failure = undefined;
    throw error;
  }

  /** Bytes of the recording. */
  get received(): number {
    return this.readers.reduce((sum, { received }) => sum + received, 0);
  }

  /** Why no more data is taken. */
  get fullReason(): string | undefined {
    return this.full === undefined ? undefined : `the spool cannot be written: ${describeErrno(this.full.failure)}`;
  }

  /** All bytes received on any port. */
  get cameBytes(): number {
    return this.readers.reduce((sum, { received, discarded }) => sum + received + discarded, this.controlBytes);
  }

  #watch(reader: DataPortReader): void {
    this.#loop.watch(reader.fd, () => this.#noting(() => this.#move(reader)));
  }

  #noting(serve: () => Served): Served {
    try {
      return serve();
    } catch (error) {
      this.#failure ??= { error };
      return Served.all;
    }
  }

  /** A FIFO without a writer or a closed socket would be ready all the time. */
  #move(reader: DataPortReader): Served {
    const moved = reader.move();
    this.#acknowledgements?.taken(reader);
    if (moved === Moved.full) this.full = reader;
    if (moved === Moved.gone || moved === Moved.full) return Served.gone;
    this.lastDataMs = performance.now();
    if (this.isFull?.() === true) this.hold(true);
    return moved === Moved.little ? Served.little : Served.all;
  }

  #readControl(): Served {
    const count = readInto(this.#control.readFd, readBuffer, this.#controlShare);
    if (count > 0) {
      this.controlBytes += count;
      const begunMs = this.#cpuMs();
      this.#take(readBuffer.subarray(0, count));
      const spentMs = this.#cpuMs() - begunMs;
      // Thousands of lines that are no replies: other guests do not wait for them.
      this.#controlShare =
        spentMs > hostLimits.controlTakeMs
          ? Math.max(hostLimits.controlShareMinBytes, this.#controlShare >> 2)
          : Math.min(readBuffer.length, this.#controlShare << 1);
      const restMs = this.#allowance(spentMs, performance.now());
      if (restMs > 0) this.#loop.rest(this.#control.readFd, restMs);
      return Served.all;
    }
    if (count === -E.EAGAIN || count === -E.EINTR) return Served.all;
    this.controlGone = true;
    return Served.gone;
  }
}
