/**
 * Memory as a recorder of weeks finds it: all of it was in use. A virtual machine's host takes back what is free, and gives it again
 * at a price that has nothing to do with who needs it. So free memory is filled with pages of a file without content, which the
 * kernel takes again when it needs them.
 */
import { closeSync, ftruncateSync, openSync, readFileSync, readSync, unlinkSync } from "node:fs";
import { join } from "node:path";

const MiB = 2 ** 20;
const pieceBytes = 4 * MiB;
/** The kernel keeps about so much free. */
const leftBytes = 512 * MiB;

export class UsedMemory {
  readonly #fd: number;
  readonly #piece = new Uint8Array(pieceBytes);
  readonly #bytes: number;

  constructor(folder: string) {
    const path = join(folder, "used-memory");
    this.#fd = openSync(path, "w+", 0o600);
    unlinkSync(path);
    this.#bytes = memory("MemTotal");
    ftruncateSync(this.#fd, this.#bytes);
  }

  /** Until next to none is free. Of its pages those are made anew that the kernel has taken. */
  fill(): void {
    for (let at = 0; at < this.#bytes && memory("MemFree") > leftBytes; at += pieceBytes)
      readSync(this.#fd, this.#piece, 0, pieceBytes, at);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

function memory(what: "MemTotal" | "MemFree"): number {
  return Number(new RegExp(`^${what}:\\s*(\\d+) kB`, "m").exec(readFileSync("/proc/meminfo", "latin1"))?.[1]) * 1024;
}
