/** A recorder that rotates, while it, guests' agents and its disk's room are taken away at random: a short soak. */
import { expect, setDefaultTimeout } from "bun:test";
import { inLongForm } from "../support/long.ts";
import { testSeed } from "../support/seed.ts";
import { whyNoSmallDisk } from "../support/small-disk.ts";
import { testUnless } from "../support/test-unless.ts";
import { soak } from "./soak.ts";

setDefaultTimeout(600_000);
const without = whyNoSmallDisk();

testUnless(without, "every event is accounted for, nothing grows, and the disk stays below its bound", async () => {
  const result = await soak(inLongForm(6, 120), testSeed, inLongForm(2, 8));
  console.log(JSON.stringify(result));
  expect(result.faults).toEqual([]);
});
