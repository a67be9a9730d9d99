/** Events that a user named for several machines: each is recorded on the machines that have it; one must. */
import { AgentError } from "../../base/errors.ts";
import { log } from "../../base/log.ts";

export class SharedEvents {
  /** No machine has an event. */
  error: AgentError | undefined;
  readonly #machines = new Map<string, { wanted: readonly string[]; missing: readonly string[]; error?: AgentError }>();
  #checked = false;

  /** A machine that takes part has all events, until it says otherwise. */
  join(machine: string, wanted: readonly string[]): void {
    this.#machines.set(machine, { wanted, missing: [] });
  }

  missing(machine: string, missing: readonly string[], error: AgentError): void {
    this.#machines.set(machine, { wanted: this.#machines.get(machine)?.wanted ?? [], missing, error });
  }

  leave(machine: string): void {
    if (!this.#checked) this.#machines.delete(machine);
  }

  /** Once, when all machines are ready. Throws the same error for each of them. */
  check(): void {
    if (this.error !== undefined) throw this.error;
    if (this.#checked) return;
    this.#checked = true;
    const all = [...this.#machines];
    for (const word of new Set(all.flatMap(([, { missing }]) => missing))) {
      const without = all.filter(([, { missing }]) => missing.includes(word)).map(([name]) => name);
      if (without.length < all.filter(([, { wanted }]) => wanted.includes(word)).length) {
        log.info(`event "${word}": recorded of the other machines, ${without.join(", ")} has none of that name`);
        continue;
      }
      const remedy = this.#machines.get(without[0] ?? "")?.error?.remedy;
      this.error = new AgentError("unavailable", `no machine has event "${word}"`, { remedy: remedy ?? "" });
      throw this.error;
    }
  }
}
