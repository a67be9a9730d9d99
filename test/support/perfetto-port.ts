/** `open` listens on the one port that Perfetto's page may fetch from, so that one test at a time may run it on this machine. */
import { createServer } from "node:net";
import { join } from "node:path";
import { cacheFolder } from "../../ffi/static/cache.ts";
import { perfettoPort } from "../../src/views/serve-trace.ts";
import { takeLock } from "./lock.ts";

/** For how long others may have it: tests of another copy of this project, which has a cache of its own, take seconds. */
const busyLimitMs = 120_000;

/** Runs `use` while no other test of this project has the port. */
export async function withPerfettoPort<T>(use: () => T | Promise<T>): Promise<T> {
  const lock = await takeLock(join(cacheFolder("guest"), "perfetto-port.lock"));
  try {
    const until = performance.now() + busyLimitMs;
    while ((await whyNotNow()) !== undefined && performance.now() < until) await Bun.sleep(100);
    return await use();
  } finally {
    lock.release();
  }
}

/** Why it cannot be listened on: another program has it. */
export function whyNoPerfettoPort(): Promise<string | undefined> {
  return withPerfettoPort(whyNotNow);
}

function whyNotNow(): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error) => resolve(`port ${perfettoPort} cannot be had: ${error.message}`));
    server.listen(perfettoPort, "127.0.0.1", () => server.close(() => resolve(undefined)));
  });
}
