/** A group of tests that share one guest, booted before the first and ended after the last; skipped, with the reason, where
 * no guest can be had. */
import { afterAll, beforeAll, describe } from "bun:test";
import { bootGuest, guestHookTimeoutMs, whyNoGuest } from "./guest.ts";
import type { GuestOptions } from "./guest-options.ts";
import type { Guest } from "./guest-handle.ts";

/** For a test in a guest: emulation on a loaded machine is slow. It is no measure of anything. */
export const guestTestTimeoutMs = 600_000;

/** `tests` is given a function that returns the guest; it can be called in tests and in hooks inside. */
export async function describeWithGuest(
  title: string,
  options: GuestOptions,
  tests: (guest: () => Guest) => void,
): Promise<void> {
  const reason = await whyNoGuest(options.kernel);
  if (reason !== undefined) console.log(`skipped: ${title}: ${reason}`);
  describe.skipIf(reason !== undefined)(title, () => {
    let guest: Guest | undefined;
    beforeAll(async () => {
      guest = await bootGuest(options);
    }, guestHookTimeoutMs);
    afterAll(async () => await guest?.close());
    tests(() => {
      if (guest === undefined) throw new Error("the guest did not boot");
      return guest;
    });
  });
}
