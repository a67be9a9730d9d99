/**
 * `npm run demo`: the main job in one command. Boots a throwaway guest, traces it over virtio-serial, shows the result.
 * What it fetches or installs for that (QEMU, a kernel, busybox) it says on stderr.
 */
import { mkdirSync, rmSync } from "node:fs";
import { messageOf } from "../../src/base/errors.ts";
import { readRawStreams } from "./raw-streams.ts";
import { recordTraceDat } from "./recording.ts";
import { detail, step } from "./terminal.ts";
import { makeWorld } from "./world.ts";

const target = "dist/demo";
const rawSeconds = 5;
const recordSeconds = 2;

async function main(): Promise<void> {
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  const world = await makeWorld();
  let files: string[];
  try {
    await readRawStreams(world, rawSeconds, target);
    files = await recordTraceDat(world, recordSeconds, target);
  } finally {
    await world.close();
  }
  step("Done; nothing runs any more. The trace files and the page:");
  detail(files.join("\n"));
}

try {
  await main();
} catch (error) {
  console.error(`demo: ${messageOf(error)}`);
  process.exitCode = 1;
}
