/** SIGINT, SIGTERM and SIGHUP ask a recording to stop; a second one, not to wait for the guest any more. */

const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export class StopSignals {
  #count = 0;
  readonly #note = (): void => void this.#count++;

  constructor() {
    for (const name of names) process.on(name, this.#note);
  }

  get asked(): "no" | "stop" | "abort" {
    return this.#count === 0 ? "no" : this.#count === 1 ? "stop" : "abort";
  }

  close(): void {
    for (const name of names) process.off(name, this.#note);
  }
}
