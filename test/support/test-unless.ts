/** Tests that not every machine can run: skipped with the reason in the log, and counted as skipped. */
import { test } from "bun:test";

export function testUnless(
  reason: string | undefined,
  title: string,
  run: () => void | Promise<void>,
  timeoutMs?: number,
): void {
  if (reason !== undefined) console.error(`skipped: ${title}: ${reason}`);
  test.skipIf(reason !== undefined)(title, run, timeoutMs);
}

/** Why a test that needs this program cannot run, or undefined. */
export function whyNot(program: string): string | undefined {
  return Bun.which(program) === null ? `no ${program} here` : undefined;
}
