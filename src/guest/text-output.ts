/**
 * Trace data as lines on stdout. Each CPU's worker writes into a pipe as it would into its port; main formats what
 * comes out of the pipes. A slow terminal fills the pipes, and the ring buffer counts what it loses.
 */
import { closeFd, O, readInto } from "../../ffi/fd.ts";
import { makePipe } from "../../ffi/pipe.ts";
import type { LiveForm } from "../views/live-form.ts";
import { LiveText, totalsText } from "../views/live-text.ts";
import { SubBufferAssembler } from "../ring-buffer/sub-buffer-assembler.ts";
import { layoutOf, parseHeaderPage } from "../ring-buffer/sub-buffer.ts";
import { savedCommands, subBufferSizeBytes } from "../tracefs/tracefs.ts";
import { protocolLimits } from "../protocol/limits.ts";
import { timelineLimits } from "../timeline/limits.ts";
import { liveHoldMs } from "../timeline/live-events.ts";
import { LiveOutput } from "../base/live-output.ts";
import { log } from "../base/log.ts";
import { ReaderGone } from "../base/standard-output.ts";
import { fifo } from "../transport/fifo.ts";
import type { Output } from "../transport/transport.ts";
import { collectMetadata } from "./control/metadata.ts";

type Inlet = { cpu: number; fd: number; assembler: SubBufferAssembler };

export class TextOutput {
  readonly #text: LiveText;
  readonly #subBufferBytes: number;
  readonly #buffer = new Uint8Array(new ArrayBuffer(timelineLimits.liveReadBytes));
  readonly #output = new LiveOutput();
  readonly #onReaderGone: () => void;
  readonly #timer: NodeJS.Timeout;
  /** Whether a turn is under way, which waits for the reader; and its end. */
  #turns = false;
  #lastTurn: Promise<void> = Promise.resolve();
  #inlets: Inlet[] = [];
  #readerGone = false;
  #ending = false;

  constructor(tracingDirectory: string, cpus: readonly number[], form: LiveForm, onReaderGone: () => void) {
    const metadata = collectMetadata(tracingDirectory);
    const layout = parseHeaderPage(metadata.headerPage ?? "") ?? layoutOf(subBufferSizeBytes(tracingDirectory), 8);
    this.#text = new LiveText({ ...metadata, layout }, cpus, {
      form,
      holdMs: liveHoldMs(protocolLimits.latencyMsLive),
      write: (bytes) => this.#output.writeThrough(bytes),
      readNames: () => savedCommands(tracingDirectory),
    });
    this.#subBufferBytes = layout.sizeBytes;
    this.#onReaderGone = onReaderGone;
    this.#timer = setInterval(() => this.#turn(), timelineLimits.liveTurnMs);
  }

  /** The pipe that a CPU's worker writes to; the worker closes its end. */
  open(cpu: number): Output {
    const pipe = makePipe(O.NONBLOCK);
    this.#inlets.push({ cpu, fd: pipe.read, assembler: new SubBufferAssembler(this.#subBufferBytes) });
    return { fd: pipe.write, traits: fifo.guest.traits, shared: false };
  }

  /** After the workers have ended: writes the rest, until `givenUp` says that the reader is not waited for any more. */
  async close(givenUp: () => boolean): Promise<void> {
    clearInterval(this.#timer);
    this.#ending = true;
    await this.#lastTurn;
    while (this.#read() > 0);
    for (const { fd } of this.#inlets.splice(0)) closeFd(fd);
    let more = true;
    await this.#untilGone(async () => {
      while (more && !givenUp()) {
        more = this.#text.finish();
        await this.#output.drain(givenUp);
      }
    });
    if (!this.#readerGone && (more || this.#output.pendingBytes > 0))
      log.warn("the last events are not shown: the reader of stdout did not take them");
    this.#output.close();
    log.info(totalsText(this.#text.totals));
  }

  #turn(): void {
    if (this.#turns) return;
    this.#turns = true;
    this.#lastTurn = this.#untilGone(() => this.#showSome()).finally(() => (this.#turns = false));
  }

  /** Data that arrives faster than it can be shown, or than it is read, stays in the pipes and the ring buffer. */
  async #showSome(): Promise<void> {
    await this.#output.drain(() => this.#ending);
    if (this.#output.pendingBytes > 0) return;
    if (this.#text.heldBytes <= timelineLimits.liveHeldBytes) this.#read();
    this.#text.release(performance.now());
    this.#output.flush();
  }

  /** One read per pipe: its data is shown before more is read. Returns the bytes read. */
  #read(): number {
    let bytes = 0;
    for (const inlet of this.#inlets) {
      const count = readInto(inlet.fd, this.#buffer);
      if (count > 0) {
        bytes += count;
        const whole = inlet.assembler.push(this.#buffer.subarray(0, count));
        if (whole.length > 0) this.#text.push(inlet.cpu, whole, performance.now());
      } else if (count === 0) {
        // Its worker has ended; a restarted one opens another pipe.
        closeFd(inlet.fd);
        this.#inlets = this.#inlets.filter((other) => other !== inlet);
      }
    }
    return bytes;
  }

  async #untilGone(work: () => Promise<void>): Promise<void> {
    if (this.#readerGone) return;
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ReaderGone)) throw error;
      this.#readerGone = true;
      this.#onReaderGone();
    }
  }
}
