/**
 * Sends progress replies to the host for as long as an order is worked on. While the kernel holds this thread the control
 * worker sends them: a tracer that is set in an emulated guest can take it longer than a host waits.
 */
import type { Reply } from "../../protocol/replies.ts";
import { guestLimits } from "../limits.ts";
import { Held, heldIndex } from "../transfer/run-state.ts";

export type ProgressWord = "metadata" | "start" | "flush" | "drain" | "restore";

export class Progress {
  readonly #words: Int32Array;
  readonly #isKnown: () => boolean;
  readonly #send: (reply: Reply) => void;

  /** `words`: of the run state. `isKnown`: the host understands progress. */
  constructor(words: Int32Array, isKnown: () => boolean, send: (reply: Reply) => void) {
    this.#words = words;
    this.#isKnown = isKnown;
    this.#send = send;
  }

  /** The result of `work`, which waits for the kernel without a break. */
  whileHeld<T>(word: Exclude<keyof typeof Held, "free">, work: () => T): T {
    Atomics.store(this.#words, heldIndex, this.#isKnown() ? Held[word] : Held.free);
    try {
      return work();
    } finally {
      Atomics.store(this.#words, heldIndex, Held.free);
    }
  }

  /** Returns the result of `work`. */
  async during<T>(word: ProgressWord, work: Promise<T>): Promise<T> {
    const timer = setInterval(() => {
      if (this.#isKnown()) this.#send({ reply: "progress", word });
    }, guestLimits.progressMs);
    try {
      return await work;
    } finally {
      clearInterval(timer);
    }
  }
}
