/**
 * Events of CPUs that are traced and have no transfer: the ring buffer holds them, and no port carries them. To the
 * host that is a loss like any other, so it is counted, logged and reported.
 */
import { readCpuStats } from "../../tracefs/cpu-stats.ts";
import type { NotServedCpu } from "../../protocol/replies.ts";
import type { UnservedCpu } from "../supervisor.ts";

export class NotServedAccounting {
  readonly #tracingDirectory: string;
  /** Events that a CPU without a transfer had written when the run began: they do not belong to the run. */
  #before = new Map<number, number>();

  constructor(tracingDirectory: string) {
    this.#tracingDirectory = tracingDirectory;
  }

  /** A run begins. A CPU that loses its transfer later has only events of this run in its ring buffer. */
  begin(unserved: readonly UnservedCpu[]): void {
    this.#before = new Map(unserved.map(({ cpu }) => [cpu, this.#count(cpu).written]));
  }

  /**
   * Includes CPUs that are online, or were while events were written. Overwritten events are not counted: overrun
   * has them. Without a run there are no events to count.
   */
  list(unserved: readonly UnservedCpu[], running: boolean): NotServedCpu[] {
    return unserved.flatMap(({ cpu, offline, reason }) => {
      const events = running ? this.#events(cpu) : 0;
      return offline && events === 0 ? [] : [{ cpu, events, reason: reason === "" ? "its CPU was offline" : reason }];
    });
  }

  #events(cpu: number): number {
    const { entries, written } = this.#count(cpu);
    const before = this.#before.get(cpu) ?? 0;
    // Fewer than before: the ring buffer was emptied meanwhile.
    return Math.min(entries, written >= before ? written - before : written);
  }

  #count(cpu: number): { entries: number; written: number } {
    const stats = readCpuStats(this.#tracingDirectory, cpu);
    if (stats === undefined) return { entries: 0, written: 0 };
    return { entries: stats.entries, written: stats.entries + stats.overrun + stats.readEvents };
  }
}

export function notServedLine({ cpu, events, reason }: NotServedCpu): string {
  return `CPU ${cpu}: ${events} events are not sent, they stay in its ring buffer (${reason})`;
}
