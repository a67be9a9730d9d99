/** When a process has taken a signal: two of a kind that come before are one (signal(7)). */
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { eventually } from "./agent-process.ts";

/** Resolves when the signal waits for no thread of the process; also when that has ended. */
export async function signalTaken(pid: number, signal: NodeJS.Signals): Promise<void> {
  const bit = 1n << BigInt(constants.signals[signal] - 1);
  await eventually(() => (pendingOf(pid) & bit) === 0n, `process ${pid} takes ${signal}`);
}

/** Masks of proc(5): of the main thread and of the process. */
function pendingOf(pid: number): bigint {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    return [...status.matchAll(/^(?:Sig|Shd)Pnd:\s*([0-9a-f]+)$/gm)].reduce(
      (all, [, mask = "0"]) => all | BigInt(`0x${mask}`),
      0n,
    );
  } catch {
    return 0n;
  }
}
