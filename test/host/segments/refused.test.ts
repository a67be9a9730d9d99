/** A bound for which there is no room is refused, and leaves of the recording nothing. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { endsGuests, newWorld, recording, sessionOf, startGuest, type World } from "../../support/fake-machines.ts";
import { RecorderProcess, traceAgent } from "../../support/recorder-process.ts";

setDefaultTimeout(300_000);
endsGuests();
const MiB = 1024 * 1024;

/** Which is as long when it is packed. */
const noise = Array.from({ length: 120_000 }, (_, index) => Bun.hash(`${index}`).toString(16).concat("\n")).join("");

const cuts = [
  ["--rotate", ["--rotate", "1s"]],
  ["--last", ["--last", "1s"]],
] as const;

/** A guest that tells more of itself than 1 MiB. */
async function newGuest(): Promise<World> {
  const world = newWorld();
  const files = { trace_clock: "local [mono_raw]\n", printk_formats: noise };
  await startGuest(world.guest("vm1"), { words: ["clock"], files, time: true, numbered: 2, subBuffers: 0 });
  return world;
}

async function refused({ guest, out }: World, cut: readonly string[]): Promise<void> {
  const { code, stderr } = await traceAgent("record", guest("vm1"), ...cut, "--keep", "1M", "-d", "5", "-o", out);
  expect([code, stderr]).toEqual([64, expect.stringContaining("--keep has no room for events beside")]);
}

test.each(cuts)("of %s into a new directory leaves none, and an empty one as it was", async (_, cut) => {
  const world = await newGuest();
  await refused(world, cut);
  expect(existsSync(world.out)).toBeFalse();
  mkdirSync(world.out);
  await refused(world, cut);
  expect(readdirSync(world.out)).toEqual([]);
});

test("of an earlier session leaves what that has, and no gap", async () => {
  const world = await newGuest();
  const keep = ["--keep", `${64 * MiB}`, "-o", world.out];
  const recorder = new RecorderProcess(["record", world.guest("vm1"), "--rotate", "1M", ...keep]);
  await recording(world, ["vm1"]);
  recorder.kill("SIGINT");
  expect(await recorder.ended()).toMatchObject({ code: 0 });
  const [before, files] = [sessionOf(world), readdirSync(world.out, { recursive: true, encoding: "utf8" }).sort()];
  await refused(world, ["--rotate", "1s"]);
  const after = sessionOf(world);
  expect(after.ended).toBeString();
  after.ended = before.ended ?? "";
  expect(after).toEqual(before);
  expect(readdirSync(world.out, { recursive: true, encoding: "utf8" }).sort()).toEqual(files);
});
