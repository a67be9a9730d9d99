/** Measures how long something takes, and how late this machine is meanwhile: a promise about time holds but for that. */

import { readFileSync } from "node:fs";

/** How often the lateness is looked at. */
const lookMs = 5;

export type Timing = {
  ms: number;
  /** The longest that a timer of this process was late meanwhile: on a loaded machine others are late as much. */
  lateMs: number;
  /** For how long any program of this machine waited for a CPU meanwhile; 0 where the kernel does not tell. */
  contendedMs: number;
};

/** Since boot, in ms (Documentation/accounting/psi.rst). */
function contendedMs(): number {
  try {
    const [, total] = /^some .* total=(\d+)$/m.exec(readFileSync("/proc/pressure/cpu", "latin1")) ?? [];
    return Number(total ?? 0) / 1000;
  } catch {
    return 0;
  }
}

export async function timed(run: () => Promise<unknown>): Promise<Timing> {
  let lateMs = 0;
  let last = performance.now();
  const look = (): void => {
    const now = performance.now();
    lateMs = Math.max(lateMs, now - last - lookMs);
    last = now;
  };
  const timer = setInterval(look, lookMs);
  const contendedBefore = contendedMs();
  const begin = performance.now();
  try {
    await run();
  } finally {
    clearInterval(timer);
    look();
  }
  return { ms: performance.now() - begin, lateMs, contendedMs: contendedMs() - contendedBefore };
}

/** CPU time of this process for what `run` computes, in ms: a loaded machine takes no more of it. */
export function cpuMsOf(run: () => unknown): number {
  const begin = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(begin);
  return (user + system) / 1000;
}

/** A program waits for a CPU several times until it is done: for its wake-up, its threads and its end. */
const waitsMost = 4;

/** What `promisedMs` comes to where the machine was so late, and where others had the CPUs. */
export function allowedMs(promisedMs: number, { lateMs, contendedMs }: Omit<Timing, "ms">): number {
  return promisedMs + waitsMost * lateMs + contendedMs;
}
