/** A file of a spool that gets line after line, at once on the disk: a recorder may be killed at any moment. */
import { writeSync } from "node:fs";
import { closeFd } from "../../../ffi/fd.ts";
import type { SpoolFiles } from "./spool-files.ts";

export class GrowingFile {
  readonly #files: SpoolFiles;
  readonly #name: string;
  #fd = -1;
  #bytes = 0;
  /** By lines of this process. */
  grownBytes = 0;

  /** It is made by the first line. */
  constructor(files: SpoolFiles, name: string) {
    this.#files = files;
    this.#name = name;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Throws a SystemError. */
  append(line: string): void {
    if (this.#fd < 0) {
      const { fd, bytes } = this.#files.openToAppend(this.#name);
      this.#fd = fd;
      this.#bytes = bytes;
      // The last line of a killed recorder may have no end.
      if (bytes > 0) this.#write("\n");
    }
    this.#write(line);
  }

  /** All of it. */
  replace(content: string): void {
    this.close();
    this.#files.write(this.#name, content);
  }

  close(): void {
    if (this.#fd >= 0) closeFd(this.#fd);
    this.#fd = -1;
  }

  #write(text: string): void {
    const bytes = writeSync(this.#fd, text);
    this.#bytes += bytes;
    this.grownBytes += bytes;
  }
}
