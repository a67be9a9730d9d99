/** A file that appears under its name only when it is whole: written to a temporary name beside it, then renamed. */
import { closeSync, fdatasyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { reserveSpace, startWriteback } from "../../../ffi/file-space.ts";
import { limits } from "../../limits.ts";

export class OutputFile {
  readonly #path: string;
  readonly #temporary: string;
  readonly #fd: number;
  #position = 0;
  /** Up to here the disk was told to write. */
  #begun = 0;

  /** Throws what open(2) says. */
  constructor(path: string) {
    this.#path = path;
    this.#temporary = `${path}.tmp`;
    rmSync(this.#temporary, { force: true });
    this.#fd = openSync(this.#temporary, "wx");
  }

  get position(): number {
    return this.#position;
  }

  write(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(this.#fd, bytes, done, bytes.length - done, this.#position + done);
    }
    this.#position += bytes.length;
    if (this.#position - this.#begun < limits.writebackBytes) return;
    startWriteback(this.#fd, this.#begun, this.#position - this.#begun);
    this.#begun = this.#position;
  }

  /** Says that so many bytes will follow. Throws when the disk has no room for them. */
  reserve(bytes: number): void {
    reserveSpace(this.#fd, this.#position, bytes);
  }

  /** Zeros up to the next multiple of `size`; nothing where the position is one. */
  align(size: number): void {
    this.write(new Uint8Array((size - (this.#position % size)) % size));
  }

  /** Overwrites what stands at `position`. */
  patch(position: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(this.#fd, bytes, done, bytes.length - done, position + done);
    }
  }

  finish(): void {
    fdatasyncSync(this.#fd);
    closeSync(this.#fd);
    renameSync(this.#temporary, this.#path);
  }

  /** Leaves nothing behind. */
  abandon(): void {
    try {
      closeSync(this.#fd);
    } catch {
      // Closed already by a finish whose rename failed.
    }
    rmSync(this.#temporary, { force: true });
  }
}
