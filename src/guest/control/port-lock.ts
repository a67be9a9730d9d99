/**
 * The lock of the control port. Main and the control worker may both write to it; what one has begun (a reply's
 * line, a frame of a body) is completed before the other writes. It is in the run state, and no call ever blocks on
 * it: whoever does not get it tries again and is next. So a short reply fits between two frames.
 *
 * Whoever gives up in the middle of something leaves a number of newlines to be written: they end a line that was
 * cut, or fill a frame up to its announced length. The next writer writes them first.
 */
import { writeFrom } from "../../../ffi/fd.ts";
import { guestLimits } from "../limits.ts";
import { portLockIndex } from "../transfer/run-state.ts";

/** Values of the first two words. */
export const PortUser = { none: 0, main: 1, controlWorker: 2 } as const;

const holder = portLockIndex;
const waiting = portLockIndex + 1;
const owedNewlines = portLockIndex + 2;

export class PortLock {
  readonly #words: Int32Array;
  readonly #user: number;

  constructor(words: Int32Array, user: number) {
    this.#words = words;
    this.#user = user;
  }

  /** True when we hold it. After false try again soon, or call `give()`: the other side waits for that. */
  take(): boolean {
    const words = this.#words;
    if (Atomics.load(words, holder) === this.#user) return true;
    const next = Atomics.load(words, waiting);
    const mayTry = next === PortUser.none || next === this.#user;
    if (mayTry && Atomics.compareExchange(words, holder, PortUser.none, this.#user) === PortUser.none) {
      Atomics.compareExchange(words, waiting, this.#user, PortUser.none);
      return true;
    }
    Atomics.compareExchange(words, waiting, PortUser.none, this.#user);
    return false;
  }

  /** Releases it, and stops waiting for it. */
  give(): void {
    Atomics.compareExchange(this.#words, waiting, this.#user, PortUser.none);
    Atomics.compareExchange(this.#words, holder, this.#user, PortUser.none);
  }

  /** Only for the holder. */
  get newlinesDue(): number {
    return Atomics.load(this.#words, owedNewlines);
  }

  set newlinesDue(newlines: number) {
    Atomics.store(this.#words, owedNewlines, newlines);
  }

  /** Writes what an earlier writer left to be written. False where the port has no room for it. Only for the holder. */
  writeNewlines(fd: number): boolean {
    const due = this.newlinesDue;
    if (due === 0) return true;
    const newlines = new Uint8Array(new ArrayBuffer(Math.min(due, guestLimits.replyWriteBytes))).fill(0x0a);
    this.newlinesDue = due - Math.max(0, writeFrom(fd, newlines));
    return this.newlinesDue === 0;
  }

  /**
   * Another port, or none: what was begun in the old one does not matter, nor does a worker that died with the
   * lock.
   */
  reset(): void {
    for (const word of [owedNewlines, waiting, holder]) Atomics.store(this.#words, word, 0);
  }
}
