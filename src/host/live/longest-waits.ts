/** The longest wait of the last seconds, with what ran meanwhile. */
import type { EventCatalog } from "../../events/event-catalog.ts";
import { type LongWait, SchedulingSummary } from "../../views/scheduling/summary.ts";
import { hostLimits } from "../limits.ts";

export class LongestWaits {
  readonly summary: SchedulingSummary;
  /** The longest of each refresh, the latest last. */
  #kept: { stamp: number; wait: LongWait | undefined }[] = [];

  constructor(catalog: EventCatalog, cpus: number) {
    this.summary = new SchedulingSummary(catalog, { cpus, longest: 1, tasksMost: hostLimits.topTasks });
  }

  /** Call every refresh; `stamp` is the guest's time up to which events were added. */
  take(stamp: number): LongWait | undefined {
    const { woken, preempted, scheduling } = this.summary;
    this.#kept.push({ stamp, wait: longer(woken.take(), preempted.take()) });
    this.#kept = this.#kept.filter((kept) => stamp - kept.stamp < hostLimits.topLongestMs * 1e6);
    scheduling.tasks.forgetIdleSince(stamp - hostLimits.topIdleTaskMs * 1e6);
    let longest: LongWait | undefined;
    for (const { wait } of this.#kept) longest = longer(longest, wait);
    return longest;
  }
}

function longer(one: LongWait | undefined, other: LongWait | undefined): LongWait | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return other.end - other.start > one.end - one.start ? other : one;
}
