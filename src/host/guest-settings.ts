/** What a recording sets in its guest, and puts back. */
import { messageOf } from "../errors.ts";
import { log } from "../log.ts";
import type { Session } from "./session.ts";

export type Wanted = {
  /** As set_event takes them; none: what the guest has enabled is recorded. */
  events: readonly string[];
  bufferKb: number | undefined;
  clock: string | undefined;
};

export class GuestSettings {
  readonly #session: Session;
  /** Key and earlier value, in the order of setting. */
  readonly #before: [key: string, value: string][] = [];

  constructor(session: Session) {
    this.#session = session;
  }

  async prepare(wanted: Wanted): Promise<void> {
    if (wanted.bufferKb !== undefined) await this.#set("buffer_size_kb", `${wanted.bufferKb}`);
    if (wanted.clock !== undefined) await this.#set("clock", wanted.clock);
  }

  /** Last before the start: what happens earlier is not wanted. */
  async enableEvents(wanted: Wanted): Promise<void> {
    await this.#set("tracing_on", "1");
    if (wanted.events.length > 0) await this.#set("events", wanted.events.join(" "));
  }

  /** First at the stop: then nothing is added to what is still to come. */
  async putEventsBack(): Promise<void> {
    await this.#putBack((key) => key === "events");
  }

  async putBack(): Promise<void> {
    await this.#putBack(() => true);
  }

  /** The guest booted anew: there is nothing to put back. */
  forget(): void {
    this.#before.length = 0;
  }

  async #set(key: string, value: string): Promise<void> {
    const previous = await this.#session.set(key, value);
    if (previous !== value) this.#before.push([key, previous]);
  }

  async #putBack(which: (key: string) => boolean): Promise<void> {
    for (const entry of this.#before.toReversed()) {
      const [key, value] = entry;
      if (!which(key)) continue;
      this.#before.splice(this.#before.indexOf(entry), 1);
      try {
        await this.#session.set(key, value);
      } catch (error) {
        log.warn(`cannot put ${key} back to "${value}" in the guest: ${messageOf(error)}`);
      }
    }
  }
}
