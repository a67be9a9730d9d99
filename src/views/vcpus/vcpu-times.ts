/**
 * One vCPU as its host saw it: how long its thread ran and stalled (could run and did not), and which wake-ups in the guest that
 * delayed. A guest that is emulated by a single thread has one for all of its vCPUs. Times are ns on the host's clock.
 */
import { LatencyHistogram } from "../latency-histogram.ts";
import type { Ran } from "../scheduling/cpu-state.ts";
import type { WaitCause } from "../scheduling/slices.ts";
import { vcpuLimits } from "./limits.ts";
import { Recent } from "./recent.ts";

/** A task of the guest from its wake-up until it ran. `stalledNs`: of that time its vCPU stalled. */
export type GuestWakeup = { pid: number; name: string; start: number; end: number; stalledNs: number };

/** `name`: empty for the idle task. */
export type NamedRan = Ran & { name: string };

export type Stall = {
  vcpus: readonly number[];
  cause: WaitCause;
  start: number;
  end: number;
  /** It lasted on when the recording ended. */
  isEndCut: boolean;
  /** The host's CPU, what ran there meanwhile, and whether all of it is known: where the stall is one of the longest. */
  cpu: number;
  ran: readonly NamedRan[];
  interruptsNs: number;
  isWhole: boolean;
  /** In the guest: those that it delayed most, and how many it delayed. */
  wakeups: { wakeup: GuestWakeup; ns: number }[];
  wakeupCount: number;
};

export class VcpuTimes {
  /** Those that the thread runs, in their order. */
  readonly vcpus: number[];
  /** The host's task. */
  readonly task: number;
  runNs = 0;
  /** In stalls whose end is known, or that the recording's end cut. */
  stallNs = 0;
  stalls = 0;
  preemptions = 0;
  /** From the wake-up of the thread until it ran. */
  latencies: LatencyHistogram | undefined;
  /** Wake-ups of tasks in the guest; those that a stall delayed. */
  readonly guest = { wakeups: 0, latencyNs: 0, delayed: 0, delayedNs: 0 };
  readonly #stalls = new Recent<Stall>(vcpuLimits.recent);
  readonly #wakeups = new Recent<GuestWakeup>(vcpuLimits.recent);

  constructor(vcpu: number, task: number) {
    this.vcpus = [vcpu];
    this.task = task;
  }

  addStall(stall: Stall): void {
    const { start, end, cause, isEndCut } = stall;
    this.stalls++;
    this.stallNs += end - start;
    if (cause === "preempted") this.preemptions++;
    else if (!isEndCut) (this.latencies ??= new LatencyHistogram()).add(end - start);
    this.#stalls.add(stall);
    // The guest's clock is known within a bound: a wake-up may seem to end before the stall that delayed it.
    this.#wakeups.forEach((wakeup) => this.#join(stall, wakeup) || wakeup.end > start);
  }

  addWakeup(wakeup: GuestWakeup): void {
    this.guest.wakeups++;
    this.guest.latencyNs += wakeup.end - wakeup.start;
    this.#wakeups.add(wakeup);
    this.#stalls.forEach((stall) => this.#join(stall, wakeup) || stall.end > wakeup.start);
  }

  /** Whichever of the two came last; whether they overlap. */
  #join(stall: Stall, wakeup: GuestWakeup): boolean {
    const ns = Math.min(stall.end, wakeup.end) - Math.max(stall.start, wakeup.start);
    if (!(ns > 0)) return false;
    const { guest } = this;
    if (wakeup.stalledNs === 0) guest.delayed++;
    wakeup.stalledNs += ns;
    guest.delayedNs += ns;
    stall.wakeupCount++;
    const { wakeups } = stall;
    let place = wakeups.length;
    while (place > 0 && (wakeups[place - 1]?.ns ?? 0) < ns) place--;
    if (place >= vcpuLimits.stallWakeups) return true;
    wakeups.splice(place, 0, { wakeup, ns });
    if (wakeups.length > vcpuLimits.stallWakeups) wakeups.pop();
    return true;
  }
}
