/**
 * Lets the machines of a recording start together: when all that can be recorded are ready, the host first, so that nothing
 * happens in a guest before the host is traced; and stop in the other order.
 */
export class StartGate {
  readonly #waiting = new Set<string>();
  readonly #ready = new Set<string>();
  /** Of those that start together, the ones that have not yet. */
  readonly #notStarted: Set<string>;
  readonly #host: string | undefined;
  #someStarted = false;
  /** Set once: machines that come later start at once. */
  #open = false;

  /** `host`: the machine that starts first. */
  constructor(machines: readonly string[], host: string | undefined) {
    for (const machine of machines) this.#waiting.add(machine);
    this.#notStarted = new Set(machines);
    this.#host = host;
  }

  /** Whether the machine, which is ready, may start. */
  mayStart(machine: string): boolean {
    this.#ready.add(machine);
    this.#waiting.delete(machine);
    this.#open ||= this.#waiting.size === 0;
    return this.#open && (machine === this.#host || this.#host === undefined || !this.#notStarted.has(this.#host));
  }

  started(machine: string): void {
    this.#notStarted.delete(machine);
    this.#someStarted = true;
  }

  /** It will not start, or has ended. */
  leave(machine: string): void {
    this.#waiting.delete(machine);
    this.#ready.delete(machine);
    this.#notStarted.delete(machine);
  }

  /** The time of the whole begins: a slow machine must not find it over before it has started. */
  get haveStarted(): boolean {
    return this.#someStarted && this.#notStarted.size === 0;
  }

  /** Whether it is stopped after all others. */
  isLast(machine: string): boolean {
    return machine === this.#host;
  }

  /** The host is stopped when no other machine runs. */
  mayStop(machine: string): boolean {
    return machine !== this.#host || [...this.#ready].every((other) => other === machine);
  }
}
