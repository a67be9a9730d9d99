/**
 * Trace data as lines on stdout: each CPU's worker writes into a pipe as it would into its port, and here, off its way, what
 * comes out of the pipes becomes text. A terminal that is too slow fills the pipes, and the ring buffer counts what it loses.
 */
import { closeFd, O, readInto } from "../../ffi/fd.ts";
import { makePipe } from "../../ffi/pipe.ts";
import type { LiveForm } from "../kernel/live-form.ts";
import { LiveText, totalsText } from "../kernel/live-text.ts";
import { SubBufferAssembler } from "../kernel/sub-buffer-assembler.ts";
import { layoutOf, parseHeaderPage } from "../kernel/sub-buffer.ts";
import { savedCommands } from "../kernel/tracefs.ts";
import { limits } from "../limits.ts";
import { log } from "../log.ts";
import { traceMetadata } from "../protocol/trace-metadata.ts";
import { ReaderGone, writeStandardOutput } from "../standard-output.ts";
import type { Output } from "./cpu-stream.ts";
import { collectMetadata } from "./metadata.ts";

type Inlet = { cpu: number; fd: number; assembler: SubBufferAssembler };

export class TextOutput {
  readonly #text: LiveText;
  readonly #subBufferBytes: number;
  readonly #buffer = new Uint8Array(new ArrayBuffer(limits.liveReadBytes));
  readonly #timer: NodeJS.Timeout;
  readonly #onReaderGone: () => void;
  #inlets: Inlet[] = [];
  #readerGone = false;

  constructor(tracingDirectory: string, cpus: readonly number[], form: LiveForm, onReaderGone: () => void) {
    const metadata = collectMetadata(tracingDirectory);
    const layout = parseHeaderPage(metadata.files["events/header_page"] ?? "") ?? layoutOf(metadata.subBufferSize, 8);
    this.#text = new LiveText(traceMetadata(metadata, layout, metadata.cpus), cpus, {
      form,
      write: writeStandardOutput,
      readNames: () => savedCommands(tracingDirectory),
    });
    this.#subBufferBytes = layout.sizeBytes;
    this.#onReaderGone = onReaderGone;
    this.#timer = setInterval(() => this.#turn(), limits.liveTurnMs);
  }

  /** The pipe that a CPU's worker writes to; the worker closes its end. */
  open(cpu: number): Output {
    const pipe = makePipe(O.NONBLOCK);
    this.#inlets.push({ cpu, fd: pipe.read, assembler: new SubBufferAssembler(this.#subBufferBytes) });
    return { fd: pipe.write, kind: "fifo", shared: false };
  }

  /** When the workers have ended: writes what is left. */
  close(): void {
    clearInterval(this.#timer);
    while (this.#read() > 0);
    for (const { fd } of this.#inlets.splice(0)) closeFd(fd);
    this.#write(() => this.#text.finish());
    log.info(totalsText(this.#text.totals));
  }

  #turn(): void {
    this.#read();
    this.#write(() => this.#text.release(performance.now()));
  }

  /** One read of each pipe: what it brought is shown before more is taken. Gives the bytes that came. */
  #read(): number {
    let bytes = 0;
    for (const inlet of this.#inlets) {
      const count = readInto(inlet.fd, this.#buffer);
      if (count > 0) {
        bytes += count;
        const whole = inlet.assembler.push(this.#buffer.subarray(0, count));
        if (whole.length > 0) this.#text.push(inlet.cpu, whole, performance.now());
      } else if (count === 0) {
        // Its worker has ended; one that is started again opens another.
        closeFd(inlet.fd);
        this.#inlets = this.#inlets.filter((other) => other !== inlet);
      }
    }
    return bytes;
  }

  #write(step: () => void): void {
    if (this.#readerGone) return;
    try {
      step();
    } catch (error) {
      if (!(error instanceof ReaderGone)) throw error;
      this.#readerGone = true;
      this.#onReaderGone();
    }
  }
}
