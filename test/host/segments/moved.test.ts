/** The directory of a recorder that cuts is renamed, or removed, while it records. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync, renameSync, rmSync } from "node:fs";
import { eventually } from "../../support/agent-process.ts";
import { endsGuests, newWorld, recording, sessionOf, startGuest, type World } from "../../support/fake-machines.ts";
import { RecorderProcess, traceAgent } from "../../support/recorder-process.ts";

setDefaultTimeout(300_000);
endsGuests();

async function start(...how: string[]): Promise<{ world: World; recorder: RecorderProcess; orders: () => string[] }> {
  const world = newWorld();
  const ordersTo = `${world.folder}/orders`;
  await startGuest(world.guest("vm1"), { numbered: 1, ordersTo });
  const recorder = new RecorderProcess(["record", world.guest("vm1"), ...how, "-o", world.out]);
  await recording(world, ["vm1"]);
  return { world, recorder, orders: () => readFileSync(ordersTo, "latin1").trimEnd().split("\n") };
}

describe.each([
  ["--rotate", "1s"],
  ["--last", "5s"],
])("record %s %s", (...how) => {
  test("goes on when its directory is renamed", async () => {
    const { world, recorder } = await start(...how);
    const moved = { out: `${world.folder}/moved` };
    renameSync(world.out, moved.out);
    const taken = await traceAgent("snapshot", moved.out);
    expect({ code: taken.code, stderr: taken.stderr }).toEqual({ code: 0, stderr: "" });
    expect((await traceAgent("stop", moved.out)).code).toBe(0);
    const end = await recorder.ended();
    expect({ code: end.code, stderr: end.stderr }).toEqual({
      code: 0,
      stderr: expect.not.stringContaining("cannot remove"),
    });
    expect(existsSync(`${moved.out}/.spool`)).toBe(false);
    const { recordings = [] } = sessionOf(moved).machines[0] ?? {};
    expect(recordings.length).toBeGreaterThan(0);
    for (const { file, state } of recordings)
      expect({ state, isThere: existsSync(`${moved.out}/${file}`) }).toEqual({ state: "whole", isThere: true });
  });

  test("stops its guest when its directory is removed, and says what is wrong", async () => {
    const { world, recorder, orders } = await start(...how);
    rmSync(world.out, { recursive: true });
    let isOver = false;
    void recorder.ended().then(() => (isOver = true));
    // What a ring has is removed without being looked at.
    if (how[0] === "--last") recorder.kill("SIGINT");
    await eventually(() => isOver, "it ends");
    const { code, stderr } = await recorder.ended();
    expect({ code, stderr }).toEqual({ code: 74, stderr: expect.not.stringContaining("internal error") });
    expect(orders().findLast((order) => order === "0" || order === "1")).toBe("0");
  });
});
