/**
 * The periodic check, which bounds how long an event waits in a sub-buffer that does not fill: one for the whole guest, every
 * `latency_ms`. It runs in the control worker, asks the kernel for the unread events of each CPU, and wakes the workers that
 * have some. A worker whose port takes nothing is not woken: it sends what is due when the port has room again.
 */
import { signalEventFd } from "../../../ffi/eventfd.ts";
import { UnreadEvents } from "../../tracefs/unread-events.ts";
import { latencyIndex, type RunState, Word, WorkerState } from "./run-state.ts";

export class LatencyCheck {
  readonly #run: RunState;
  readonly #workers: number;
  readonly #unread: UnreadEvents;
  #intervalMs = 0;
  #nextMs = 0;

  /** `cpus`: by the number of their worker. */
  constructor(run: RunState, tracingDirectory: string, cpus: readonly number[]) {
    this.#run = run;
    this.#workers = cpus.length;
    this.#unread = new UnreadEvents(tracingDirectory, cpus);
  }

  /** Checks when it is time, and gives the ms until the next check; -1 when there is none to come. */
  turn(nowMs: number): number {
    const intervalMs = Atomics.load(this.#run.words, latencyIndex);
    if (intervalMs !== this.#intervalMs) {
      if (intervalMs === 0) this.close();
      else if (this.#intervalMs === 0) this.#unread.open();
      this.#intervalMs = intervalMs;
      this.#nextMs = nowMs + intervalMs;
    }
    if (intervalMs === 0) return -1;
    if (nowMs >= this.#nextMs) {
      this.#wakeWorkers();
      // Checks that were missed are not made up for.
      this.#nextMs += intervalMs * Math.ceil((nowMs - this.#nextMs + 1) / intervalMs);
    }
    return Math.ceil(this.#nextMs - nowMs) | 0;
  }

  close(): void {
    this.#unread.close();
  }

  #wakeWorkers(): void {
    const run = this.#run;
    for (let worker = 0; worker < this.#workers; worker++) {
      if (run.word(worker, Word.state) !== WorkerState.running || !this.#unread.has(worker)) continue;
      // In this order: the worker says that it sleeps, and then looks whether something is due.
      run.setWord(worker, Word.partialDue, 1);
      if (run.word(worker, Word.sleeping) === 1) signalEventFd(run.word(worker, Word.wakeFd));
    }
  }
}
