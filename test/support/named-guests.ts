/** Guests below /run/virtio-trace, which --all and --join look for: one test of this machine at a time has some, or looks for them. */
import { join } from "node:path";
import { cacheFolder } from "../../ffi/static/cache.ts";
import { takeLock } from "./lock.ts";

export async function withNamedGuests(use: () => Promise<void>): Promise<void> {
  const lock = await takeLock(join(cacheFolder("guest"), "named-guests.lock"));
  try {
    await use();
  } finally {
    lock.release();
  }
}
