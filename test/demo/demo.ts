/**
 * `npm run demo`: the main job in one command. Boots a throwaway guest, traces it over virtio-serial, shows the result.
 * What it fetches or installs for that (QEMU, a kernel, busybox) it says on stderr.
 */
import { mkdirSync, rmSync } from "node:fs";
import { messageOf } from "../../src/errors.ts";
import { readRawStreams } from "./raw-streams.ts";
import { recordTraceDat } from "./recording.ts";
import { step } from "./terminal.ts";
import { makeWorld, type World } from "./world.ts";

const target = "dist/demo";
const rawSeconds = 5;
const recordSeconds = 2;

async function main(): Promise<void> {
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  const world = await makeWorld();
  try {
    await trace(world);
  } finally {
    await world.close();
  }
  step("Done; nothing runs any more.");
}

async function trace(world: World): Promise<void> {
  await readRawStreams(world, rawSeconds, target);
  await recordTraceDat(world, recordSeconds, target);
}

try {
  await main();
} catch (error) {
  console.error(`demo: ${messageOf(error)}`);
  process.exitCode = 1;
}
