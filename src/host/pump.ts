/**
 * Waits for all of a guest's ports at once and moves what they bring: data into the spool, replies to the reader.
 *
 * One turn never waits longer than it is told, so that the program hears signals between turns. Nothing is held in memory
 * but one read of the control port.
 */
import { E } from "../../ffi/errno.ts";
import { readInto } from "../../ffi/fd.ts";
import { POLL, PollSet } from "../../ffi/poll.ts";
import { limits } from "../limits.ts";
import type { DataStream } from "./data-stream.ts";
import { Moved } from "./data-stream.ts";
import type { ControlPort } from "./host-port.ts";

export class Pump {
  readonly streams: readonly DataStream[];
  /** The spool takes no more: the stream whose turn it was. */
  full: DataStream | undefined;
  /** The control port has no other end any more: the VM ended. */
  controlGone = false;
  /** performance.now() of the last byte on any port. */
  lastByteMs = performance.now();
  readonly #control: ControlPort;
  readonly #poll: PollSet;
  readonly #buffer = new Uint8Array(new ArrayBuffer(limits.controlReadBytes));
  readonly #take: (bytes: Uint8Array) => void;

  /** `take` is given what the control port brings; it is good until `take` returns. */
  constructor(control: ControlPort, streams: readonly DataStream[], take: (bytes: Uint8Array) => void) {
    this.streams = streams;
    this.#control = control;
    this.#take = take;
    this.#poll = new PollSet(streams.length + 1);
    this.#poll.set(0, control.readFd, POLL.IN);
    for (const [index, stream] of streams.entries()) this.#poll.set(index + 1, stream.fd, POLL.IN);
  }

  /** Waits up to `timeoutMs` for the first byte, then moves what there is. True when something came. */
  turn(timeoutMs: number): boolean {
    if (this.#poll.wait(timeoutMs) <= 0) return false;
    let came = false;
    if (this.#poll.revents(0) !== 0) came = this.#readControl();
    for (let index = 0; index < this.streams.length; index++) {
      const stream = this.streams[index];
      if (stream === undefined || this.#poll.revents(index + 1) === 0) continue;
      const moved = stream.move();
      if (moved === Moved.full) this.full = stream;
      // A FIFO without a writer, or a closed socket, would be ready for ever.
      if (moved === Moved.gone || moved === Moved.full) this.#poll.set(index + 1, -1, 0);
      else came = true;
    }
    if (came) this.lastByteMs = performance.now();
    return came;
  }

  /** Turns for a while, or until `enough` says so; in between the program's events (signals, timers) have their say. */
  async turns(forMs: number, enough: () => boolean = () => false): Promise<void> {
    const end = performance.now() + forMs;
    do {
      const now = performance.now();
      this.turn(Math.max(0, Math.min(limits.pumpWaitMs, Math.ceil(end - now))));
      // A busy guest: many turns for one look at the events.
      while (performance.now() - now < limits.pumpBusyMs && this.turn(0));
      await new Promise<void>((resolve) => setImmediate(resolve));
    } while (performance.now() < end && this.full === undefined && !enough());
  }

  get received(): number {
    return this.streams.reduce((sum, { received }) => sum + received, 0);
  }

  #readControl(): boolean {
    const count = readInto(this.#control.readFd, this.#buffer);
    if (count > 0) {
      this.#take(this.#buffer.subarray(0, count));
      return true;
    }
    if (count === -E.EAGAIN || count === -E.EINTR) return false;
    this.controlGone = true;
    this.#poll.set(0, -1, 0);
    return false;
  }
}
