/** One process at a time has guests on this machine: emulation takes a CPU whole, and tests are not to disturb each other. */
import { join } from "node:path";
import { cacheFolder } from "../../ffi/entry/cache.ts";
import { type Lock, takeLock } from "./lock.ts";

/** A machine on which another process has guests for so long is not free for tests. */
export const guestWaitMs = 1_200_000;

/** This process's part: taken with its first guest, left with its last. */
let turn: Promise<Lock> | undefined;
let guests = 0;

/** Waits until this process may boot a guest. The function that it gives says that the guest has ended. */
export async function takeTurn(): Promise<() => void> {
  guests++;
  turn ??= takeLock(join(cacheFolder("guest"), "qemu.lock"), {
    limitMs: guestWaitMs,
    onWait: () => process.stderr.write("waiting for another process's guest to end\n"),
  });
  let left = false;
  const leave = (lock?: Lock): void => {
    if (left) return;
    left = true;
    if (--guests > 0) return;
    turn = undefined;
    lock?.release();
  };
  try {
    const lock = await turn;
    return () => leave(lock);
  } catch (error) {
    leave();
    throw error;
  }
}
