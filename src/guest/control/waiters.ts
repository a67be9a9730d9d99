/** Waits for conditions that are checked at every reported change. */

type Waiter = { condition: () => boolean; resolve: (met: boolean) => void; timer: NodeJS.Timeout | undefined };

export class Waiters {
  #waiting: Waiter[] = [];

  /** True once `condition` holds; false after `timeoutMs`. */
  until(condition: () => boolean, timeoutMs?: number): Promise<boolean> {
    if (condition()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const waiter: Waiter = { condition, resolve, timer: undefined };
      if (timeoutMs !== undefined) waiter.timer = setTimeout(() => this.#settle(waiter, condition()), timeoutMs);
      this.#waiting.push(waiter);
    });
  }

  changed(): void {
    // settle() replaces the list, so this one does not change.
    for (const waiter of this.#waiting) {
      if (waiter.condition()) this.#settle(waiter, true);
    }
  }

  #settle(waiter: Waiter, met: boolean): void {
    clearTimeout(waiter.timer);
    this.#waiting = this.#waiting.filter((other) => other !== waiter);
    waiter.resolve(met);
  }
}
