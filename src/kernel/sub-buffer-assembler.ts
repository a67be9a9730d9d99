/** Makes whole sub-buffers again of what reads from a pipe or socket bring: they cut where they like. */
export class SubBufferAssembler {
  readonly #sizeBytes: number;
  /** The beginning of a sub-buffer whose rest has not come yet. */
  #rest = new Uint8Array(new ArrayBuffer(0));

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes;
  }

  /** Copies `bytes`; gives the sub-buffers that are whole now, which are the caller's own. May be empty. */
  push(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    const all = new Uint8Array(new ArrayBuffer(this.#rest.length + bytes.length));
    all.set(this.#rest);
    all.set(bytes, this.#rest.length);
    const whole = all.length - (all.length % this.#sizeBytes);
    this.#rest = all.slice(whole);
    return all.subarray(0, whole);
  }
}
