/**
 * A small file of tracefs, as a Worker reads it: node:fs would cost each Worker two milliseconds and half a MiB.
 *
 * What a read takes is made before, so that it is quick when an order waits for it. The file is opened for each read: an open file
 * keeps its instance from being removed.
 */
import { SystemError } from "./errno.ts";
import { closeFd, O, openFd, type PreparedPath, preparePath, readInto } from "./fd.ts";

export class SmallFile {
  readonly #path: PreparedPath;
  readonly #bytes: Buffer<ArrayBuffer>;

  /** `most`: bytes of its beginning that are read. */
  constructor(path: string, most: number) {
    this.#path = preparePath(path);
    this.#bytes = Buffer.from(new ArrayBuffer(most));
  }

  /** Its beginning; throws SystemError. */
  read(): string {
    const fd = openFd(this.#path, O.RDONLY);
    const count = readInto(fd, this.#bytes);
    closeFd(fd);
    if (count < 0) throw new SystemError("read", JSON.stringify(this.#path.path), -count);
    return this.#bytes.toString("latin1", 0, count);
  }
}
