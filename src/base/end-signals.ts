/** The signals that ask a program to end. nohup(1) starts it with SIGHUP ignored, and it stays ignored. */
import { readFileSync } from "node:fs";

/** Bit of a signal in the masks of /proc/PID/status (proc(5)). */
const hangUpBit = 1n;

/** In a service SIGHUP asks for something else. */
let isHangUpKept = false;

/** From now on SIGHUP is no end signal. False where it is ignored, and stays so. */
export function keepHangUp(): boolean {
  isHangUpKept = true;
  return !ignoresHangUp;
}

/** Checked before anything listens: a listener would receive a signal that was ignored. */
const ignoresHangUp = isIgnoredHere();

export function endSignals(): readonly ("SIGINT" | "SIGTERM" | "SIGHUP")[] {
  return ignoresHangUp || isHangUpKept ? ["SIGINT", "SIGTERM"] : ["SIGINT", "SIGTERM", "SIGHUP"];
}

function isIgnoredHere(): boolean {
  try {
    const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1];
    return mask !== undefined && (BigInt(`0x${mask}`) & hangUpBit) !== 0n;
  } catch {
    return false;
  }
}
