/** Orders that are none: the first few of a session are answered and logged. A flood must fill neither the log nor the host's port. */
import { log } from "../../base/log.ts";
import type { Reply } from "../../protocol/replies.ts";
import { guestLimits } from "../limits.ts";

export class MalformedOrders {
  readonly #answer: (reply: Reply) => void;
  #count = 0;
  #answered = 0;

  constructor(answer: (reply: Reply) => void) {
    this.#answer = answer;
  }

  /** In all sessions. */
  get count(): number {
    return this.#count;
  }

  beginSession(): void {
    this.#answered = 0;
  }

  ignore(text: string, reason: string): void {
    this.#count++;
    if (++this.#answered > guestLimits.malformedOrdersLogged) return;
    const last = this.#answered === guestLimits.malformedOrdersLogged ? "; further ones are only counted" : "";
    log.warn(`ignored order ${JSON.stringify(text)}: ${reason}${last}`);
    this.#answer({ reply: "error", order: text, error: reason });
  }
}
