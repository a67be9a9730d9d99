/** What a recorder may use of memory and descriptors: who has no room is left out, and told of. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { hostLimits, MiB } from "../../../src/host/limits.ts";
import type { MachineRequest } from "../../../src/host/machines/machine-request.ts";
import { MemoryBound } from "../../../src/host/machines/own-bounds.ts";
import { makeGuestDirectory } from "../../../src/host/setup/setup.ts";
import { planSetup } from "../../../src/host/setup/setup-plan.ts";
import { eventually } from "../../support/agent-process.ts";
import {
  endsGuests,
  newWorld,
  recording,
  sessionOf,
  startGuest,
  startGuests,
  type World,
} from "../../support/fake-machines.ts";
import { LiveProcess } from "../../support/live-process.ts";
import { startRecording } from "../../support/machines-run.ts";
import { withNamedGuests } from "../../support/named-guests.ts";

setDefaultTimeout(300_000);
endsGuests();

const requestOf = (world: World, name: string): MachineRequest => ({
  name,
  kind: "guest",
  guest: { guest: name, path: world.guest(name) },
  named: false,
});
/** Why each machine has no recording, or whether it is recorded now. */
const states = (world: World): Record<string, string> =>
  Object.fromEntries(
    sessionOf(world).machines.map(({ name, leftOut, recordings }) => [
      name,
      leftOut ?? (recordings.at(-1)?.ended === undefined ? "recorded" : "ended"),
    ]),
  );

test("memory is too much when it is so several times in a row, and a further machine must find room before", () => {
  let bytes = 55 * MiB;
  const bound = new MemoryBound({ memoryBytes: 64 * MiB, usedBytes: () => bytes });
  let now = 0;
  const look = (): boolean => bound.isOver((now += hostLimits.memoryLookMs));
  bound.requireRoom("vm1");
  bytes = 60 * MiB;
  expect(() => bound.requireRoom("vm1")).toThrow('cannot record "vm1": the recorder uses what it may of memory');
  expect([look(), look(), look(), look()]).toEqual([false, false, false, false]);
  bytes = 65 * MiB;
  expect([look(), look(), look(), look()]).toEqual([false, false, true, false]);
  expect(bound.isOver(now)).toBe(false);
  bytes = 64 * MiB;
  expect([look(), look(), look()]).toEqual([false, false, false]);
  const without = new MemoryBound({ usedBytes: () => Infinity });
  without.requireRoom("vm1");
  expect(without.isOver()).toBe(false);
});

test("without room in memory a machine that comes is left out, and the recorder goes on", async () => {
  const world = newWorld();
  await startGuest(world.guest("vm1"));
  // Of the process of the test, which is the recorder.
  const ballast = new Uint8Array(64 * MiB).fill(1);
  const join = { parent: world.folder, find: () => [requestOf(world, "vm1")] };
  const { recorder, ended } = await startRecording(world.out, { join }, { bounds: { memoryBytes: 64 * MiB } });
  await eventually(() => (states(world)["vm1"] ?? "").includes("what it may of memory"), "vm1 is left out");
  recorder.stop();
  expect({ error: await ended, ballast: ballast.at(-1) }).toEqual({ error: undefined, ballast: 1 });
});

test("where memory is too much all the same, the machine that came last is given up", async () => {
  const world = newWorld();
  const names = ["vm1", "vm2"];
  await startGuests(world, { vm1: {}, vm2: {} });
  let used = 50 * MiB;
  const bounds = { memoryBytes: 64 * MiB, usedBytes: () => used };
  const requests = names.map((name) => requestOf(world, name));
  const { recorder, ended } = await startRecording(world.out, { requests }, { bounds });
  await recording(world, names);
  expect(states(world)).toEqual({ vm1: "recorded", vm2: "recorded" });
  used = 65 * MiB;
  await eventually(
    () => states(world)["vm2"] === "ended",
    "vm2 is given up",
    () => JSON.stringify(states(world)),
  );
  used = 50 * MiB;
  expect(states(world)["vm1"]).toBe("recorded");
  recorder.stop();
  expect(await ended).toBeUndefined();
});

test("a machine for which descriptors do not do is left out where machines may come, and the others are recorded", () =>
  withNamedGuests(async () => {
    const world = newWorld();
    await startGuest(world.guest("vm1"), { cpus: 1 });
    makeGuestDirectory(world.guest("vm2"), planSetup(128), "fifo", undefined);
    const path = `${world.folder}/record.toml`;
    const guests = ["vm1", "vm2"].map((name) => `[machines.${name}]\ndir = "${world.guest(name)}"`);
    writeFileSync(
      path,
      `output = "${world.out}"\njoin = true\nmax-memory = "256M"\nmax-descriptors = 200\n${guests.join("\n")}\n`,
    );
    const recorder = new LiveProcess(["record", "--config", path]);
    await recording(world, ["vm1"]);
    await recorder.says("vm2 is not recorded: cannot record");
    expect(readFileSync(`/proc/${recorder.process.pid}/limits`, "latin1")).toMatch(/^Max open files +200 /m);
    expect(states(world)["vm2"]).toContain("with 200 file descriptors: 128 data ports need");
    recorder.process.kill("SIGTERM");
    // It was named.
    expect(await recorder.ended()).toBe(74);
    expect(states(world)["vm1"]).toBe("ended");
  }));
