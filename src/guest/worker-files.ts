/**
 * The files that run as Workers, and the error text of one that ended.
 *
 * The bundle keeps paths relative to this folder (`root` in build.ts), and its chunks are at its top: only from
 * here is a relative URL right both in a checkout and in the executable.
 */
export const cpuWorkerFile = new URL("./transfer/cpu-worker.ts", import.meta.url);
export const controlWorkerFile = new URL("./control/control-worker.ts", import.meta.url);

/** An uncaught error's message includes a source listing; its last line of words says what happened. */
export function lastError(message: string): string {
  return message.split("\n").findLast((line) => /^\w*error:/i.test(line)) ?? message;
}
