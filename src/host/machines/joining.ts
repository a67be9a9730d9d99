/**
 * record --join: which machines are to be tried now. One that is new, or whose directory changed, as soon as its ports are made; one that is
 * not there, or did not answer, each second.
 */
import { AgentError } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import { findHostPorts, type GuestDirectory } from "../guest-directory.ts";
import { hostLimits } from "../limits.ts";
import type { PortLoop } from "../run/port-loop.ts";
import { DirectoryWatch } from "./directory-watch.ts";
import type { Join, MachineRequest } from "./machine-request.ts";

/** `taken`: it is recorded, or waited for; `refused`: it was tried in vain. */
export type JoinState = "unknown" | "taken" | "refused";

export class Joining {
  readonly #join: Join;
  readonly #watch: DirectoryWatch;
  #found: readonly MachineRequest[] = [];
  /** By name, when it may be tried again (performance.now()). */
  readonly #triedMs = new Map<string, number>();
  #refreshMs = -Infinity;
  #failed = "";

  constructor(join: Join, loop: PortLoop, watch = new DirectoryWatch(loop)) {
    this.#join = join;
    this.#watch = watch;
    this.#find(performance.now());
  }

  /** Something is to be looked at now. */
  get hasNews(): boolean {
    return this.#watch.hasNews;
  }

  turn(stateOf: (name: string) => JoinState, now = performance.now()): readonly MachineRequest[] {
    if (now >= this.#refreshMs) this.#refresh(now);
    const changed = this.#watch.take();
    if (changed.has(this.#join.parent)) this.#find(now);
    const due = this.#found.filter(({ name, guest: { path } }) => {
      if (changed.has(path)) this.#triedMs.set(name, now + hostLimits.joinSettleMs);
      return now >= (this.#triedMs.get(name) ?? 0);
    });
    return due.filter(({ name, guest }) => {
      const state = stateOf(name);
      if (state === "taken") return false;
      this.#triedMs.set(name, now + hostLimits.joinEveryMs);
      return state === "unknown" || isThere(guest);
    });
  }

  close(): void {
    this.#watch.close();
  }

  #find(now: number): void {
    try {
      this.#found = this.#join.find();
      this.#failed = "";
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      // Those that are known go on.
      if (this.#failed !== error.message) log.warn(`${error.message}; machines that come are not seen`);
      this.#failed = error.message;
    }
    const names = new Set(this.#found.map(({ name }) => name));
    for (const name of this.#triedMs.keys()) if (!names.has(name)) this.#triedMs.delete(name);
    // Its ports are made one after the other.
    for (const name of names) if (!this.#triedMs.has(name)) this.#triedMs.set(name, now + hostLimits.joinSettleMs);
    this.#refresh(now);
  }

  #refresh(now: number): void {
    this.#refreshMs = now + hostLimits.joinEveryMs;
    this.#watch.refresh([this.#join.parent, ...this.#found.map(({ guest }) => guest.path)]);
  }
}

/** Without a try that leaves traces. */
function isThere(guest: GuestDirectory): boolean {
  try {
    const { control } = findHostPorts(guest);
    return control.end.isHeld(control.path);
  } catch (error) {
    if (error instanceof AgentError) return false;
    throw error;
  }
}
