/**
 * Collects garbage some time after work was done: start-up, metadata, a run. The runtime's own timer is off, since it would wake an
 * idle agent six times a second, and without it what was loaded and thrown away stays for good: 0.5 to 1 MiB in each thread.
 */
import { guestLimits } from "./limits.ts";

export class HeapSettling {
  #timer: NodeJS.Timeout | undefined;

  /** Work was done. It is waited for more of it. */
  soon(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => Bun.gc(true), guestLimits.heapSettleMs);
    this.#timer.unref();
  }

  /** Work begins that must not be held up. */
  notNow(): void {
    clearTimeout(this.#timer);
  }
}

/**
 * The same in a worker, which then waits in poll(2): the runtime's allocator gives back what is free inside its pages when an event loop
 * waits, and never otherwise.
 */
export async function settleWorker(): Promise<void> {
  Bun.gc(true);
  await new Promise((resolve) => setTimeout(resolve, guestLimits.settleTurnMs));
}

/** Runs a worker that is an async function: what it throws is told to main as what a function throws. */
export function runWorker(work: () => Promise<void>): void {
  work().catch((error: unknown) =>
    setTimeout(() => {
      throw error;
    }),
  );
}
