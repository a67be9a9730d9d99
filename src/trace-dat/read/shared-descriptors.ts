/**
 * Files of which only so many have a descriptor at a time: a session may hold thousands of recordings, and a process may open a thousand
 * files. One that has none is opened anew when it is read, if it is still the same.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { placeError } from "../../base/directory.ts";
import { AgentError, errnoOf } from "../../base/errors.ts";
import { traceDatLimits } from "../limits.ts";

/** Those that have a descriptor, in the order of their last use. */
const open = new Set<SharedDescriptor>();

export class SharedDescriptor {
  readonly path: string;
  readonly size: number;
  readonly #identity: string;
  #fd = -1;

  /** Throws an AgentError, also for what is no regular file. */
  constructor(path: string) {
    this.path = path;
    const { size, identity } = this.#open();
    this.size = size;
    this.#identity = identity;
  }

  /** Bytes read into `target`, fewer only at the end. */
  readAt(target: Uint8Array, position: number): number {
    if (this.#fd < 0) this.#openAnew();
    else {
      open.delete(this);
      open.add(this);
    }
    let got = 0;
    while (got < target.length) {
      const bytes = readSync(this.#fd, target, got, target.length - got, position + got);
      if (bytes === 0) break;
      got += bytes;
    }
    return got;
  }

  close(): void {
    if (!open.delete(this)) return;
    closeSync(this.#fd);
    this.#fd = -1;
  }

  #openAnew(): void {
    if (this.#open().identity === this.#identity) return;
    this.close();
    throw new AgentError("input", `cannot read "${this.path}": it became another file after it was opened`, {
      remedy: "run the command again",
    });
  }

  #open(): { size: number; identity: string } {
    while (open.size >= traceDatLimits.filesOpen) closeOldest();
    this.#fd = openRegularFile(this.path);
    open.add(this);
    const { dev, ino, size } = fstatSync(this.#fd);
    return { size, identity: `${dev} ${ino}` };
  }
}

function closeOldest(): void {
  const [oldest] = open;
  oldest?.close();
}

function openRegularFile(path: string): number {
  for (;;) {
    let fd: number;
    try {
      // A FIFO would be waited for.
      fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    } catch (cause) {
      if (errnoOf(cause) !== "EMFILE" || open.size === 0) throw placeError(path, "open", cause);
      // Others need some, too.
      for (let spare = Math.ceil(open.size / 4); spare > 0; spare--) closeOldest();
      continue;
    }
    if (fstatSync(fd).isFile()) return fd;
    closeSync(fd);
    throw new AgentError("input", `cannot read "${path}": it is not a regular file`, {
      remedy: "a recording is read in any order, so it cannot come out of a pipe: name a trace.dat",
    });
  }
}
