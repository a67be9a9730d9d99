/** Reads one CPU's stream into memory and passes on whole sub-buffers as they arrive. */
import { E } from "../../../ffi/errno.ts";
import { readInto } from "../../../ffi/fd.ts";
import { EventCounter, type EventTally } from "../../ring-buffer/event-count.ts";
import type { SubBufferLayout } from "../../ring-buffer/sub-buffer.ts";
import { SubBufferAssembler } from "../../ring-buffer/sub-buffer-assembler.ts";
import { timelineLimits } from "../../timeline/limits.ts";
import { DataPortReader, Moved } from "../run/data-port-reader.ts";

export type LiveTaker = {
  /** Receives whole sub-buffers and owns them. */
  push: (cpu: number, subBuffers: Uint8Array<ArrayBuffer>, nowMs: number) => void;
  /** The receiver can hold no more. */
  overfull: () => boolean;
};

export class LivePortReader extends DataPortReader {
  readonly #buffer = new Uint8Array(new ArrayBuffer(timelineLimits.liveReadBytes));
  #taker: LiveTaker | undefined;
  #assembler: SubBufferAssembler | undefined;
  #ending = false;
  #counter: EventCounter | undefined;
  /** Bytes passed on. */
  readonly tally: EventTally = { events: 0, lostEvents: 0, unknownLosses: 0, damaged: 0 };

  constructor(cpu: number, fd: number) {
    super(cpu, fd, undefined);
  }

  /** From now on data is passed on. Before, it is dropped. */
  begin(layout: SubBufferLayout, taker: LiveTaker): void {
    this.#assembler = new SubBufferAssembler(layout.sizeBytes);
    this.#counter = new EventCounter(layout);
    this.#taker = taker;
  }

  /** The guest is asked to stop: data is passed on as long as the receiver can hold it. */
  end(): void {
    this.#ending = true;
  }

  /** What came of a sub-buffer whose rest did not. */
  get restBytes(): number {
    return this.#assembler?.restBytes ?? 0;
  }

  /**
   * One read. Data is shown before more is read, so a guest that is too fast loses events instead of filling our
   * memory.
   */
  override move(): Moved {
    const count = readInto(this.fd, this.#buffer);
    if (count === -E.EAGAIN || count === -E.EINTR) return Moved.all;
    if (count <= 0) {
      this.gone = true;
      return Moved.gone;
    }
    if (this.#taker === undefined || this.#assembler === undefined) this.discarded += count;
    else if (this.received >= this.receivedMax || (this.#ending && this.#taker.overfull())) this.#throwAway(count);
    else {
      this.received += count;
      const whole = this.#assembler.push(this.#buffer.subarray(0, count));
      if (whole.length === 0) return Moved.share;
      this.#counter?.add(whole, this.tally);
      this.#taker.push(this.cpu, whole, performance.now());
    }
    return Moved.share;
  }

  /** Permanent: later data would not fit to the missing data. */
  #throwAway(bytes: number): void {
    this.receivedMax = 0;
    this.discarded += bytes;
    this.surplus += bytes;
  }
}
