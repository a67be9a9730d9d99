/** Reads what a machine's streams bring, as they lie on the disk, mostly in the page cache: whole sub-buffers, each once. */
import { hostLimits } from "../limits.ts";
import type { RunningStream } from "../machines/running-recorder.ts";

export type TailTaker = {
  /** Whole sub-buffers of a CPU, in the view's first `bytes` bytes; they are valid until it returns. */
  take: (cpu: number, view: DataView<ArrayBuffer>, bytes: number) => void;
  /** Sub-buffers before the next ones were not read: they are not there any more, or too many. */
  passedOver: (cpu: number) => void;
};

export class StreamTail {
  readonly #taker: TailTaker;
  readonly #sizeBytes: number;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView<ArrayBuffer>;
  readonly #positions = new Map<number, number>();

  /** `sizeBytes`: of a sub-buffer. */
  constructor(sizeBytes: number, taker: TailTaker) {
    this.#taker = taker;
    this.#sizeBytes = sizeBytes;
    const count = Math.max(1, Math.floor(hostLimits.triggerReadBytes / sizeBytes));
    this.#bytes = new Uint8Array(new ArrayBuffer(count * sizeBytes));
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Reads until `endMs` (performance.now()). CPUs of which there is more. */
  read(streams: readonly RunningStream[], endMs: number): Set<number> {
    const behind = new Set<number>();
    for (const stream of streams) if (!this.#readOne(stream, endMs)) behind.add(stream.cpu);
    return behind;
  }

  /** False where there is more. */
  #readOne(stream: RunningStream, endMs: number): boolean {
    const { cpu, from, to } = stream;
    let position = this.#positions.get(cpu) ?? from;
    const least = Math.max(from, to - hostLimits.triggerBehindBytes);
    if (position < least) {
      position = least + ((this.#sizeBytes - ((least - from) % this.#sizeBytes)) % this.#sizeBytes);
      this.#taker.passedOver(cpu);
    }
    try {
      while (position < to) {
        if (performance.now() >= endMs) return false;
        const got = stream.readAt(this.#bytes.subarray(0, Math.min(this.#bytes.length, to - position)), position);
        const whole = got - (got % this.#sizeBytes);
        if (whole === 0) break;
        this.#taker.take(cpu, this.#view, whole);
        position += whole;
      }
      return true;
    } finally {
      this.#positions.set(cpu, position);
    }
  }
}
