/**
 * The only place where the host waits: all ports of all guests of this program in one epoll set.
 *
 * Runs are async functions. A run that must wait calls `until`; while any run waits, one loop polls all ports,
 * serves those that are ready, and resolves what is due. Between polls the program's own events (signals, timers)
 * are handled. No poll is longer than a signal may be delayed.
 *
 * Ports that bring little now and then are served in groups: each wake-up costs more than what it moves. Not while somebody waits for
 * an answer, whose time may be measured.
 */
import { ReadySet } from "../../../ffi/epoll.ts";
import { hostLimits } from "../limits.ts";
import { Allowances } from "./allowance.ts";

export const Served = {
  /** Stop watching it. */
  gone: 0,
  /** More may come at once. */
  all: 1,
  /** It may be left alone for a moment (hostLimits.loopPauseMs). */
  little: 2,
} as const;
export type Served = (typeof Served)[keyof typeof Served];

/** Serves a ready fd. */
type Serve = () => Served;

type Waiter = {
  endMs: number;
  enough: () => boolean;
  patient: boolean;
  resolve: () => void;
  reject: (error: unknown) => void;
};

/** What a poll found. */
const Found = { none: 0, little: 1, much: 2 } as const;
type Found = (typeof Found)[keyof typeof Found];

export class PortLoop {
  readonly allowances = new Allowances();
  readonly #ready = new ReadySet(hostLimits.loopEvents);
  readonly #served = new Map<number, Serve>();
  readonly #waiters = new Set<Waiter>();
  /** Watched, and not to be looked at before that time. */
  readonly #resting = new Map<number, number>();
  #driving = false;
  /** Ready ports of the last wait, and which of them is served next. */
  #found = 0;
  #next = 0;

  watch(fd: number, serve: Serve): void {
    this.#ready.add(fd);
    this.#served.set(fd, serve);
  }

  /** Also for an fd that is not, or no longer, watched. */
  unwatch(fd: number): void {
    if (this.#served.delete(fd) && !this.#resting.delete(fd)) this.#ready.remove(fd);
  }

  /** Of a watched fd: whatever it has is left there for so long. */
  rest(fd: number, forMs: number): void {
    if (!this.#served.has(fd)) return;
    if (!this.#resting.has(fd)) this.#ready.remove(fd);
    this.#resting.set(fd, performance.now() + forMs);
  }

  /**
   * Resolves after `forMs`, or as soon as `enough` returns true, but not before one poll was made. `patient`: no answer is waited
   * for, and it may be some milliseconds late.
   */
  async until(forMs: number, enough: () => boolean = () => false, patient = false): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiters.add({ endMs: performance.now() + forMs, enough, patient, resolve, reject });
    if (!this.#driving) void this.#drive();
    await promise;
  }

  close(): void {
    this.#ready.close();
  }

  async #drive(): Promise<void> {
    this.#driving = true;
    while (this.#waiters.size > 0) {
      try {
        this.#pollWhileBusy();
        this.#settle();
      } catch (error) {
        // The loop itself failed: everyone waiting for it is told.
        for (const { reject } of this.#waiters) reject(error);
        this.#waiters.clear();
      }
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    this.#driving = false;
  }

  /** One poll that waits; while ports are busy, further ones before the program's own events are handled. */
  #pollWhileBusy(): void {
    const begun = performance.now();
    let endMs = begun + hostLimits.pumpWaitMs;
    let patient = true;
    for (const waiter of this.#waiters) {
      endMs = Math.min(endMs, waiter.endMs);
      patient &&= waiter.patient;
    }
    for (const untilMs of this.#resting.values()) endMs = Math.min(endMs, untilMs);
    let found = this.#poll(Math.max(0, Math.ceil(endMs - begun)));
    const busyMs = performance.now();
    // Each look asks every waiter: of many guests not after each poll.
    let lookMs = busyMs;
    for (let now = busyMs; found !== Found.none && now - busyMs < hostLimits.pumpBusyMs; now = performance.now()) {
      if (now >= lookMs) {
        if (this.#someIsDue()) return;
        lookMs = now + hostLimits.loopLookMs;
      }
      // The same thread, so that nothing else of this program runs and the next look is at most this late.
      if (patient && found === Found.little) Bun.sleepSync(hostLimits.loopPauseMs);
      found = this.#poll(0);
    }
  }

  /**
   * Slow serving ends early: the next poll goes on with the ports that were ready. To ask for ready ones anew would give the slow one again,
   * and before the others.
   */
  #poll(timeoutMs: number): Found {
    if (this.#next >= this.#found) {
      if (this.#resting.size > 0) this.#wake(performance.now());
      this.#found = this.#ready.wait(timeoutMs);
      this.#next = 0;
    }
    const first = this.#next;
    if (first >= this.#found) return Found.none;
    const begun = performance.now();
    let found: Found = Found.little;
    while (this.#next < this.#found) {
      if (this.#next > first && performance.now() - begun >= hostLimits.pumpBusyMs) return Found.much;
      const fd = this.#ready.readyFd(this.#next++);
      const served = this.#served.get(fd)?.();
      if (served === Served.gone) this.unwatch(fd);
      if (served !== Served.little) found = Found.much;
    }
    return found;
  }

  #wake(now: number): void {
    for (const [fd, untilMs] of this.#resting) {
      if (now < untilMs) continue;
      this.#resting.delete(fd);
      this.#ready.add(fd);
    }
  }

  #someIsDue(): boolean {
    for (const waiter of this.#waiters) if (waiter.enough()) return true;
    return false;
  }

  #settle(): void {
    const now = performance.now();
    for (const waiter of this.#waiters) {
      if (now < waiter.endMs && !waiter.enough()) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }
}
