/** Measures how long something takes, and how late this machine is meanwhile: a promise about time holds but for that. */

/** How often the lateness is looked at. */
const lookMs = 5;

export type Timing = {
  ms: number;
  /** The longest that a timer of this process was late meanwhile: on a loaded machine others are late as much. */
  lateMs: number;
};

export async function timed(run: () => Promise<unknown>): Promise<Timing> {
  let lateMs = 0;
  let last = performance.now();
  const look = (): void => {
    const now = performance.now();
    lateMs = Math.max(lateMs, now - last - lookMs);
    last = now;
  };
  const timer = setInterval(look, lookMs);
  const begin = performance.now();
  try {
    await run();
  } finally {
    clearInterval(timer);
    look();
  }
  return { ms: performance.now() - begin, lateMs };
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

/** What `promisedMs` comes to where the machine was so late. */
export function allowedMs(promisedMs: number, { lateMs }: Timing): number {
  return promisedMs + waitsMost * lateMs;
}
