/**
 * How long tasks wait for a CPU after they are woken, told by what all CPUs did, in order of time. A wait counts only where it is known
 * from its beginning to its end: it began after the recording did, and no CPU lost events meanwhile, since a switch that is not known could
 * have ended it.
 */
import { Sched } from "./sched-queue.ts";

export type LongWait = { pid: number; from: number; to: number; isOver: boolean };

export class WakeupWaits {
  readonly #mostNs: number;
  readonly #tell: (wait: LongWait) => void;
  /** Woken and not yet seen running, by time: pid -> since when. */
  readonly #waiting = new Map<number, number>();
  /** Of those, the CPU that each was woken for. */
  readonly #targets = new Map<number, number>();
  readonly #running = new Set<number>();
  readonly #losing = new Set<number>();

  /** `tell`: of a wait of more than `mostNs`. */
  constructor(mostNs: number, tell: (wait: LongWait) => void) {
    this.#mostNs = mostNs;
    this.#tell = tell;
  }

  add(time: number, cpu: number, kind: number, first: number, second: number): void {
    if (kind === Sched.losing) {
      this.#losing.add(cpu);
      this.forget();
    } else if (kind === Sched.lost) {
      this.#losing.delete(cpu);
      this.forget();
    } else if (this.#losing.size > 0) return;
    else if (kind === Sched.wakes) this.#wakes(first, second, time);
    else this.#switches(first, second, time);
  }

  /** Nothing is known of what happens now: who waits and who runs must be seen anew. */
  forget(): void {
    this.#waiting.clear();
    this.#targets.clear();
    this.#running.clear();
  }

  /** The same, and it is not known either which CPUs lose events. */
  reset(): void {
    this.forget();
    this.#losing.clear();
  }

  /**
   * All that happened before `time` should be known: who waits still, waits until then at least. `newestOf` a CPU: its last event. A CPU of which
   * nothing came is late, perhaps, and who waits for it may have run.
   */
  knownUntil(time: number, newestOf: (cpu: number) => number): void {
    for (const [pid, from] of this.#waiting) {
      if (time - from <= this.#mostNs) return;
      const to = Math.min(time, newestOf(this.#targets.get(pid) ?? -1));
      if (to - from <= this.#mostNs) continue;
      this.#forgetWait(pid);
      this.#tell({ pid, from, to, isOver: false });
    }
  }

  /** One that runs has nothing to wait for; one that waits does so since it was first woken. */
  #wakes(pid: number, target: number, time: number): void {
    if (pid === 0 || this.#running.has(pid) || this.#waiting.has(pid)) return;
    this.#waiting.set(pid, time);
    this.#targets.set(pid, target);
  }

  #switches(prev: number, next: number, time: number): void {
    this.#running.delete(prev);
    // It ran before anything was known of it.
    this.#forgetWait(prev);
    if (next === 0) return;
    this.#running.add(next);
    const from = this.#waiting.get(next);
    if (from === undefined) return;
    this.#forgetWait(next);
    if (time - from > this.#mostNs) this.#tell({ pid: next, from, to: time, isOver: true });
  }

  #forgetWait(pid: number): void {
    if (this.#waiting.delete(pid)) this.#targets.delete(pid);
  }
}
