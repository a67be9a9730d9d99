/** Waiting for a condition that is looked at again at every change that is told. */

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
    // settle() puts a new list in place, so this one stays as it is.
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
