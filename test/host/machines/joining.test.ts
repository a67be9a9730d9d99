/** Machines that come while others are recorded, and what changes for some of them. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { closeSync, constants, mkdirSync, openSync, readdirSync } from "node:fs";
import { unreadInPipe } from "../../../ffi/unread.ts";
import { allGuests } from "../../../src/host/guest-directory.ts";
import type { MachineRequest } from "../../../src/host/machines/machine-request.ts";
import { makeGuestDirectory } from "../../../src/host/setup/setup.ts";
import { planSetup } from "../../../src/host/setup/setup-plan.ts";
import { openRecordings } from "../../../src/trace-dat/open-recording.ts";
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
import { nothingWanted, startRecording } from "../../support/machines-run.ts";
import { numbersIn } from "../../support/numbered.ts";
import { allowedMs, timed } from "../../support/timing.ts";

setDefaultTimeout(300_000);
endsGuests();

const guestOf = (world: World, name: string): MachineRequest => ({
  name,
  kind: "guest",
  guest: { guest: name, path: world.guest(name) },
  named: true,
});

test("a machine is recorded within a second of its agent being there, and gets one hello before", async () => {
  const world = newWorld();
  const parent = `${world.folder}/guests`;
  const guest = `${parent}/vm1`;
  const find = (): MachineRequest[] =>
    allGuests(parent).map((one) => ({ name: one.guest, kind: "guest", guest: one, named: false }));
  mkdirSync(parent);
  const { recorder, ended } = await startRecording(world.out, { join: { parent, find } });
  makeGuestDirectory(guest, planSetup(1), "fifo", undefined);
  // The VM runs: it has the ports open, and nothing in it reads.
  const fds = readdirSync(guest)
    .filter((name) => /\.(in|out)$/.test(name))
    .map((name) => openSync(`${guest}/${name}`, constants.O_RDWR | constants.O_NONBLOCK));
  const orders = openSync(`${guest}/agent-ctl-path.in`, constants.O_RDWR | constants.O_NONBLOCK);
  await eventually(() => unreadInPipe(orders) > 0, "it is said hello");
  const hello = unreadInPipe(orders);
  // Another hello is due a second after it.
  await Bun.sleep(1500);
  expect(unreadInPipe(orders)).toBe(hello);
  await startGuest(guest, { cpus: 1 });
  const timing = await timed(() => recording(world, ["vm1"]));
  console.log(`recorded ${timing.ms.toFixed(0)} ms after its agent was there`);
  expect(timing.ms).toBeLessThan(allowedMs(1000, timing));
  for (const fd of [...fds, orders]) closeSync(fd);
  recorder.stop();
  expect(await ended).toBeUndefined();
  expect(sessionOf(world).machines[0]?.recordings).toMatchObject([{ state: "whole" }]);
});

test("a machine that ended and did not come back is not told as one that was not recorded", async () => {
  const world = newWorld();
  await startGuest(world.guest("vm1"), { cpus: 1 });
  await startGuest(world.guest("vm2"), { cpus: 1, transport: "socket", endMs: 1 });
  const requests = ["vm1", "vm2"].map((name) => guestOf(world, name));
  const join = { parent: world.folder, find: () => requests };
  const { recorder, ended } = await startRecording(world.out, { requests, join });
  const stateOf = (name: string): string => recorder.machines.findLast((one) => one.name === name)?.state ?? "";
  await eventually(
    () => stateOf("vm2") === "refused",
    "vm2 is tried again",
    () => stateOf("vm2"),
  );
  recorder.stop();
  const error = String(await ended);
  expect(error).toContain("vm2: it ended early");
  expect(error).not.toContain("was not recorded");
});

test("a change of one machine is no gap of another, and what a guest refuses changes nothing", async () => {
  const world = newWorld();
  const numbered = { cpus: 1, numbered: 1, subBuffers: 0, words: ["clock"], time: true };
  await startGuests(world, { vm1: numbered, vm2: numbered, vm3: numbered, vm4: numbered });
  const requests = (...names: string[]): MachineRequest[] => names.map((name) => guestOf(world, name));
  const { recorder, change, ended } = await startRecording(world.out, { requests: requests("vm1", "vm2", "vm3") });
  await recording(world, ["vm1", "vm2", "vm3"]);
  const recordings = (name: string): string[] =>
    sessionOf(world)
      .machines.find((machine) => machine.name === name)
      ?.recordings.map(({ state, ended: end }) => (end === undefined ? state : "ended")) ?? [];
  const plan = { waitMsOf: () => undefined, vcpus: new Map<string, number[]>() };
  // Another buffer in vm2, vm3 no more, vm4 instead.
  const larger = { ...nothingWanted, bufferKb: 64 };
  change({
    ...plan,
    requests: requests("vm1", "vm2", "vm4"),
    wantedOf: ({ name }) => (name === "vm2" ? larger : nothingWanted),
  });
  // Each guest in its own time.
  await eventually(
    () => recordings("vm2").length === 2 && recordings("vm3")[0] === "ended" && recordings("vm4").length === 1,
    "vm2 is recorded anew, vm3 no more, vm4 now",
    () => JSON.stringify(sessionOf(world).machines),
  );
  expect([recordings("vm1"), recordings("vm2"), recordings("vm3")]).toEqual([
    ["recording"],
    ["ended", "recording"],
    ["ended"],
  ]);
  // It has no such setting.
  const refused = { ...larger, pids: [1] };
  change({
    ...plan,
    requests: requests("vm1", "vm2"),
    wantedOf: ({ name }) => (name === "vm2" ? refused : nothingWanted),
  });
  await eventually(() => recordings("vm2").length === 3, "vm2 is recorded as before");
  recorder.stop();
  expect(await ended).toBeUndefined();
  expect([recordings("vm1").length, recordings("vm2").length, recordings("vm4").length]).toEqual([1, 3, 1]);
  expect(sessionOf(world).gaps?.map(({ machine }) => machine)).toEqual(["vm2", "vm2"]);
  const vm1 = await openRecordings([world.out], { machines: ["vm1"] });
  const [numbers] = [...numbersIn(vm1.parts[0]?.source ?? never()).values()];
  expect(numbers).toMatchObject({ first: 0, faults: [] });
  vm1.close();
});

function never(): never {
  throw new Error("vm1 has no recording");
}
