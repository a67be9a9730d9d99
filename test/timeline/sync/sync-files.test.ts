/** `trace-agent sync`: copies of recordings on one timeline, whatever is known of them before. */
import { afterAll, describe, expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import type { TimeSample } from "../../../src/events/trace-metadata.ts";
import { syncFiles, type SyncOptions } from "../../../src/timeline/sync/sync-files.ts";
import { openTraceDat } from "../../../src/trace-dat/read/reader.ts";
import { readSession, sessionFiles } from "../../../src/trace-dat/session/read-session.ts";
import { sessionText } from "../../../src/trace-dat/session/session-file.ts";
import type { Recording } from "../../../src/trace-dat/write/recording.ts";
import type { TraceDatFormat } from "../../../src/trace-dat/write/write.ts";
import { made, madeTasks as tasks, write } from "./made-files.ts";

const base = mkdtempSync(`${tmpdir()}/ta-sync-`);
afterAll(() => rmSync(base, { recursive: true }));
const hostEpoch = 7_000_000_000_000n;
const guestEpoch = 300_000_000_000n;
/** Host time minus guest time. */
const truth = Number(hostEpoch - guestEpoch);
let count = 0;

type World = { folder: string; host: string; guest: string; out: string };

function newWorld(
  more: { host?: Partial<Recording>; guest?: Partial<Recording>; period?: number; format?: TraceDatFormat } = {},
): World {
  const folder = `${base}/${++count}`;
  mkdirSync(folder);
  const world = { folder, host: `${folder}/host.dat`, guest: `${folder}/vm1.dat`, out: `${folder}/out` };
  const events = made(more.period);
  write(world.host, events.host, hostEpoch, more.host, more.format);
  write(world.guest, events.guest, guestEpoch, more.guest, more.format);
  return world;
}

function sync({ host, guest, out }: World, options: Partial<SyncOptions> = {}): ReturnType<typeof syncFiles> {
  return syncFiles({
    onStep: () => {},
    paths: [host, guest],
    // A slash says nothing.
    directory: `${out}/`,
    group: undefined,
    host: undefined,
    offsets: new Map(),
    vcpus: new Map([["vm1", tasks]]),
    ...options,
  });
}

function samplesOf(path: string): readonly TimeSample[] {
  const source = openTraceDat(path);
  const { timeShift } = source.metadata;
  source.close();
  return timeShift?.samples[1] ?? [];
}

function expectPlaced({ out }: World, [, vm1]: ReturnType<typeof syncFiles>): void {
  expect(vm1).toMatchObject({ name: "vm1", offset: { method: "causality" } });
  const { boundNs = 0, events, inside } = vm1?.offset ?? {};
  expect(inside).toBe(events ?? -1);
  expect(boundNs).toBeLessThan(10_000);
  const samples = samplesOf(`${out}/vm1.dat`);
  expect(samples.length).toBeGreaterThan(0);
  for (const { offset } of samples) expect(Math.abs(Number(offset) - truth)).toBeLessThan(boundNs);
}

describe("recordings of a host and a guest", () => {
  test.each(["v6", "v7"] as const)("of which nothing is known are placed where alone they fit (%s)", (format) => {
    const world = newWorld({ format });
    const before = [world.host, world.guest].map((path) => readFileSync(path));
    expectPlaced(world, sync(world));
    expect([world.host, world.guest].map((path) => readFileSync(path))).toEqual(before);
    const host = openTraceDat(`${world.out}/host.dat`);
    expect(host.metadata.guests).toEqual([{ name: "vm1", traceId: guestEpoch, tasks }]);
    host.close();
  });

  test("that fit in many ways are not placed, and told to be unknown", () => {
    const world = newWorld({ period: 400_000 });
    expect(sync(world)[1]?.offset).toEqual({
      method: "unknown",
      reason: "nothing tells it, and no offset fits its events clearly",
    });
    expect(samplesOf(`${world.out}/vm1.dat`)).toEqual([]);
  });

  test("that cannot be searched for are told to be unknown, and why", () => {
    const world = newWorld();
    const few = newWorld();
    rmSync(few.guest);
    write(few.guest, [[{ time: 1_000, type: "mark", first: 1, second: 2 }], []], guestEpoch);
    const cases = [
      [world, "1", [], "the threads of its vCPUs are not known"],
      [world, "2", [901, 902], "no sched_switch of its vCPU threads on the host"],
      [few, "3", tasks, "its events are too few"],
    ] as const;
    for (const [of, name, threads, reason] of cases) {
      const [, vm1] = sync(of, { directory: `${of.out}${name}`, vcpus: new Map([["vm1", threads]]) });
      expect(vm1?.offset).toEqual({ method: "unknown", reason: `nothing tells it, and ${reason}` });
    }
  });

  test("are placed by an offset that is given, and the threads that the host's file names", () => {
    const guests = [{ name: "vm1", traceId: guestEpoch, tasks }];
    const world = newWorld({ host: { guests } });
    const offsets = new Map([["vm1", { ns: BigInt(truth) + 300_000n, boundNs: 400_000 }]]);
    expectPlaced(world, sync(world, { offsets, vcpus: new Map() }));
    const wrong = newWorld({ host: { guests } });
    const far = new Map([["vm1", { ns: BigInt(truth) + 9_000_000n, boundNs: 200_000 }]]);
    expect(sync(wrong, { offsets: far, vcpus: new Map() })[1]?.offset).toMatchObject({ method: "round trips" });
  });

  test("are placed anew from the TIME_SHIFT that the guest's file has", () => {
    const sample = { time: guestEpoch, offset: BigInt(truth) - 400_000n, scaling: 1n, fractionBits: 0n };
    const timeShift = { hostTraceId: 1n, interpolated: false, samples: [[sample], [sample]] };
    const world = newWorld({ guest: { timeShift } });
    expectPlaced(world, sync(world));
  });

  test("of a session keep what it tells beside the offsets", () => {
    const world = newWorld();
    const session = `${world.folder}/session`;
    mkdirSync(session);
    for (const name of ["host.dat", "vm1.dat"]) copyFileSync(`${world.folder}/${name}`, `${session}/${name}`);
    const machine = (name: string, kind: "host" | "guest") => ({
      name,
      kind,
      recordings: [{ file: `${name}.dat`, state: "whole" as const }],
    });
    const offsets = { vm1: { ns: `${truth + 200_000}`, boundNs: 300_000, method: "round trips" as const } };
    const file = { machines: [machine("host", "host"), machine("vm1", "guest")], clocks: {}, offsets, losses: {} };
    writeFileSync(`${session}/session.json`, sessionText(file));
    expectPlaced(world, sync(world, { paths: [session] }));
    const written = JSON.parse(readFileSync(`${world.out}/session.json`, "utf8")) as {
      offsets: unknown;
      machines: unknown;
    };
    expect(written.machines).toEqual(file.machines);
    expect(written.offsets).toMatchObject({ vm1: { method: "causality" } });
    expect(readdirSync(world.out).sort()).toEqual(["host.dat", "session.json", "vm1.dat"]);
  });

  test("that are files alone become a session, which tells how well the guest is placed", () => {
    const world = newWorld();
    const [, vm1] = sync(world);
    expect(readSession(world.out)).toMatchObject({
      clocks: { host: "mono_raw", vm1: "mono_raw" },
      offsets: { vm1: vm1?.offset },
    });
    const machines = sessionFiles(world.out).map(({ machine, kind, files }) => ({ machine, kind, files }));
    expect(machines).toEqual([
      { machine: "host", kind: "host", files: [`${world.out}/host.dat`] },
      { machine: "vm1", kind: "guest", files: [`${world.out}/vm1.dat`] },
    ]);
    const again = `${world.folder}/again`;
    expectPlaced({ ...world, out: again }, sync(world, { paths: [world.out], directory: again }));
  });

  test("that would have one name are refused before anything is written, as trace-cmd's trace.dat of both", () => {
    const world = newWorld();
    for (const [name, called] of [
      ["host.dat", "host"],
      ["host", "host"],
      ["session.json", "session.json"],
    ] as const) {
      mkdirSync(`${world.folder}/${name}-guest`);
      const guest = `${world.folder}/${name}-guest/${name}`;
      copyFileSync(world.guest, guest);
      expect(() => sync(world, { paths: [world.host, guest], vcpus: new Map() })).toThrow(`the name "${called}"`);
    }
    const nameless = `${world.folder}/.dat`;
    copyFileSync(world.guest, nameless);
    expect(() => sync(world, { paths: [world.host, nameless], vcpus: new Map() })).toThrow("cannot name a machine");
    expect(existsSync(world.out)).toBeFalse();
  });

  test("of a session that fail leave no empty folder of a machine", () => {
    const world = newWorld();
    const session = `${world.folder}/session`;
    for (const name of ["host", "vm1"]) {
      mkdirSync(`${session}/${name}`, { recursive: true });
      copyFileSync(`${world.folder}/${name}.dat`, `${session}/${name}/0001.dat`);
    }
    const machine = (name: string, kind: "host" | "guest") => ({
      name,
      kind,
      recordings: [{ file: `${name}/0001.dat`, state: "whole" as const }],
    });
    const machines = [machine("host", "host"), machine("vm1", "guest")];
    writeFileSync(`${session}/session.json`, sessionText({ machines, clocks: {}, offsets: {}, losses: {} }));
    const onStep = (step: string): void => {
      if (step === "writing the copies") rmSync(`${session}/host/0001.dat`);
    };
    expect(() => sync(world, { paths: [session], onStep })).toThrow("0001.dat");
    expect(existsSync(world.out)).toBeFalse();
  });

  test("that fail leave no empty directory that they made, and one that was there", () => {
    const world = newWorld();
    const onStep = (): void => {
      throw new Error("no room");
    };
    expect(() => sync(world, { onStep })).toThrow("no room");
    expect(existsSync(world.out)).toBeFalse();
    mkdirSync(world.out);
    expect(() => sync(world, { onStep })).toThrow("no room");
    expect(existsSync(world.out)).toBeTrue();
  });

  test("are refused where a directory holds something, one is alone, or an option names none of them", () => {
    const world = newWorld();
    expect(() => sync(world, { directory: world.folder })).toThrow("it holds something");
    expect(() => sync(world, { paths: [world.host] })).toThrow("of a host and of a guest at least");
    expect(() => sync(world, { vcpus: new Map([["vm2", [1]]]) })).toThrow('--vcpus is of "vm2"');
    expect(() => sync(world, { host: "other.dat" })).toThrow('no recording "other.dat"');
    expect(existsSync(world.out)).toBeFalse();
  });
});
