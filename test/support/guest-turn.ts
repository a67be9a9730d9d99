/**
 * As many processes have guests on this machine at a time as it has CPUs: emulation takes a CPU whole, and tests are not to
 * slow each other down. A process that has its turn may boot several guests.
 */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { cacheFolder } from "../../ffi/static/cache.ts";
import { type Lock, takeOneLock } from "./lock.ts";

/** A machine on which other processes have guests for so long is not free for tests. */
export const guestWaitMs = 1_200_000;

const turns = availableParallelism();

/** This process's part: taken with its first guest, left with its last. */
let turn: Promise<Lock> | undefined;
let guests = 0;

/** Waits until this process may boot a guest. The function that it gives says that the guest has ended. */
export async function takeTurn(): Promise<() => void> {
  guests++;
  const folder = cacheFolder("guest");
  turn ??= takeOneLock(
    Array.from({ length: turns }, (_, index) => join(folder, `qemu-${index}.lock`)),
    {
      limitMs: guestWaitMs,
      onWait: () => process.stderr.write(`${turns} processes have guests: waiting for one of them to end\n`),
    },
  );
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
