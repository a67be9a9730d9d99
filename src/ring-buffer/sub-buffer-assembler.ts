/** Reassembles whole sub-buffers from reads of a pipe or socket, which cut them anywhere. */
export class SubBufferAssembler {
  readonly #sizeBytes: number;
  /** The beginning of an incomplete sub-buffer; allocated when a read cuts one. */
  #rest = new Uint8Array(new ArrayBuffer(0));
  #restBytes = 0;

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes;
  }

  /** How much of an incomplete sub-buffer is there. */
  get restBytes(): number {
    return this.#restBytes;
  }

  /** Copies `bytes`; returns the sub-buffers that are complete now, owned by the caller. May be empty. */
  push(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    const all = this.#restBytes + bytes.length;
    const wholeBytes = all - (all % this.#sizeBytes);
    const taken = Math.max(0, wholeBytes - this.#restBytes);
    const whole = new Uint8Array(new ArrayBuffer(wholeBytes));
    if (wholeBytes > 0) {
      whole.set(this.#rest.subarray(0, this.#restBytes));
      whole.set(bytes.subarray(0, taken), this.#restBytes);
      this.#restBytes = 0;
    }
    if (taken < bytes.length) this.#keep(bytes.subarray(taken));
    return whole;
  }

  /** In place, since a guest may send byte by byte. */
  #keep(part: Uint8Array): void {
    if (this.#rest.length === 0) this.#rest = new Uint8Array(new ArrayBuffer(this.#sizeBytes));
    this.#rest.set(part, this.#restBytes);
    this.#restBytes += part.length;
  }
}
