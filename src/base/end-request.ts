/**
 * For work that does not return to the event loop by itself: whether a signal asked for its end, checked
 * whenever it yields.
 */
import { endSignals } from "./end-signals.ts";

export class EndRequest {
  /** The first signal. */
  signal: NodeJS.Signals | undefined;
  /** Number of signals: after a second one nothing is waited for. */
  count = 0;
  readonly #listeners = endSignals().map((name) => {
    const listener = (): void => {
      this.signal ??= name;
      this.count++;
    };
    process.on(name, listener);
    return { name, listener };
  });

  close(): void {
    for (const { name, listener } of this.#listeners) process.off(name, listener);
  }
}

/** Yields to signals, timers and other waiting events. */
export async function letEventsThrough(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}
