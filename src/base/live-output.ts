/**
 * Text to stdout that never waits for its reader: what the reader does not take yet is kept, and the caller, who
 * checks `pendingBytes`, produces no more meanwhile. So a paused `less` delays neither signals nor time limits.
 */
import { fstatSync, writeSync } from "node:fs";
import { EdgeWatch } from "../../ffi/epoll.ts";
import { E, SystemError } from "../../ffi/errno.ts";
import { closeFd, O, openFd } from "../../ffi/fd.ts";
import { POLL, PollSet } from "../../ffi/poll.ts";
import { letEventsThrough } from "./end-request.ts";
import { AgentError, errnoOf, messageOf, sizeRemedy } from "./errors.ts";
import { baseLimits } from "./limits.ts";
import { forStandardOutput, ReaderGone } from "./standard-output.ts";

const stdout = 1;

export class LiveOutput {
  pendingBytes = 0;
  readonly #queue: Uint8Array[] = [];
  readonly #poll = new PollSet(1);
  /**
   * Our own file description, so that O_NONBLOCK does not affect others who share stdout; undefined if that is
   * impossible.
   */
  readonly #own: number | undefined;
  readonly #isFile = fstatSync(stdout).isFile();

  #room: EdgeWatch | undefined;

  constructor() {
    this.#own = openAnew();
    this.#poll.set(0, this.#own ?? stdout, POLL.OUT);
  }

  /** An fd that becomes readable when the reader has taken something or has gone; undefined for a file or /dev/null. */
  watchRoom(): number | undefined {
    if (this.#isFile) return undefined;
    try {
      this.#room ??= new EdgeWatch(this.#own ?? stdout);
    } catch (error) {
      // What epoll does not watch always has room: /dev/null and its kin.
      if (error instanceof SystemError && error.errno === E.EPERM) return undefined;
      throw error;
    }
    return this.#room.fd;
  }

  /** Takes foreign text; the caller may reuse the buffer afterwards. */
  write(bytes: Uint8Array): void {
    this.writeAsIs(forStandardOutput(bytes));
  }

  /** Takes text of our own. */
  writeAsIs(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#queue.push(bytes.slice());
    this.pendingBytes += bytes.length;
  }

  /** Writes foreign text at once as far as the reader takes it, and keeps the rest. Throws ReaderGone. */
  writeThrough(bytes: Uint8Array): void {
    const shown = forStandardOutput(bytes);
    let done = 0;
    if (this.pendingBytes === 0) {
      for (let count = -1; count !== 0 && done < shown.length; done += count)
        count = this.#poll.wait(0) > 0 ? this.#writeSome(shown.subarray(done)) : 0;
    }
    this.writeAsIs(shown.subarray(done));
  }

  /** Writes what the reader takes now. Throws ReaderGone when there is no reader any more. */
  flush(): void {
    this.#room?.consume();
    for (let first = this.#queue[0]; first !== undefined; first = this.#queue[0]) {
      if (this.#poll.wait(0) <= 0) return;
      const count = this.#writeSome(first);
      if (count === 0) return;
      this.pendingBytes -= count;
      if (count < first.length) this.#queue[0] = first.subarray(count);
      else this.#queue.shift();
    }
  }

  /** Until the reader has taken everything, or `enough` returns true: signals are handled meanwhile. */
  async drain(enough: () => boolean): Promise<void> {
    for (this.flush(); this.pendingBytes > 0 && !enough(); this.flush()) {
      this.#poll.wait(baseLimits.drainTurnMs);
      await letEventsThrough();
    }
  }

  close(): void {
    this.#room?.close();
    if (this.#own !== undefined) closeFd(this.#own);
  }

  #writeSome(bytes: Uint8Array): number {
    // A pipe or socket that poll() reports as writable takes this much without blocking.
    const most = this.#own === undefined && !this.#isFile ? baseLimits.pipeAtomicBytes : bytes.length;
    try {
      return writeSync(this.#own ?? stdout, bytes, 0, Math.min(bytes.length, most));
    } catch (cause) {
      const errno = errnoOf(cause);
      if (errno === "EPIPE") throw new ReaderGone();
      if (errno === "EAGAIN") return 0;
      throw new AgentError("io", `cannot write to stdout: ${messageOf(cause)}`, { ...sizeRemedy(cause), cause });
    }
  }
}

function openAnew(): number | undefined {
  try {
    const status = fstatSync(stdout);
    if (!status.isFIFO() && !status.isCharacterDevice()) return undefined;
    return openFd(`/proc/self/fd/${stdout}`, O.WRONLY | O.NONBLOCK | O.NOCTTY);
  } catch {
    // Another user's terminal, or no /proc.
    return undefined;
  }
}
