/**
 * `metadata` orders: one at a time, beside whatever else is ordered. An answer takes a moment (2000 small files, kallsyms; the port
 * takes it when it likes); an order that comes meanwhile and asks for the same has the same answer, unless something was changed
 * since. Who asks for other sections waits for its turn.
 */
import { AgentError } from "../../base/errors.ts";
import type { Section } from "../../protocol/sections.ts";
import { guestLimits } from "../limits.ts";

/** None: all, as in protocol 1. */
type Sections = readonly Section[];

export type MetadataOrderParts = {
  /** Resolves when the port has taken all, or will never. */
  answer: (sections: Sections, signal: AbortSignal) => Promise<void>;
  failed: (error: unknown) => void;
};

export class MetadataOrder {
  readonly #parts: MetadataOrderParts;
  #abort: AbortController | undefined;
  /** What is answered now, unless it is older than the last change. */
  #current: string | undefined;
  readonly #waiting = new Map<string, Sections>();

  constructor(parts: MetadataOrderParts) {
    this.#parts = parts;
  }

  order(sections: Sections): void {
    const key = sections.join(" ");
    if (this.#current === key) return;
    if (this.#waiting.size >= guestLimits.metadataWaiting && !this.#waiting.has(key))
      return this.#parts.failed(new AgentError("usage", "too many orders for metadata wait already"));
    this.#waiting.set(key, sections);
    if (this.#abort === undefined) void this.#run();
  }

  /** Another order was carried out: a later `metadata` order must show its effect. */
  outdate(): void {
    this.#current = undefined;
  }

  /** The host that asked is gone. A frame that the port has begun to take is completed all the same. */
  cancel(): void {
    this.#abort?.abort();
    this.#waiting.clear();
    this.#current = undefined;
  }

  async #run(): Promise<void> {
    for (const [key, sections] of this.#waiting) {
      this.#waiting.delete(key);
      this.#current = key;
      this.#abort = new AbortController();
      const { signal } = this.#abort;
      try {
        await this.#parts.answer(sections, signal);
      } catch (error) {
        if (!signal.aborted) this.#parts.failed(error);
      }
    }
    this.#abort = undefined;
    this.#current = undefined;
  }
}
