/** Recordings that are cut while they go on: every event of the stream is in exactly one segment, also when the recorder is killed. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, statfsSync, statSync, writeFileSync } from "node:fs";
import { openRecordings } from "../../../src/trace-dat/open-recording.ts";
import { openTraceDat } from "../../../src/trace-dat/read/reader.ts";
import type { SessionRecording } from "../../../src/trace-dat/session/session-file.ts";
import { bytesUnder } from "../../support/bytes-under.ts";
import { eventually } from "../../support/agent-process.ts";
import { endsGuests, newWorld, recording, sessionOf, startGuest, type World } from "../../support/fake-machines.ts";
import { inLongForm } from "../../support/long.ts";
import { type Numbers, numbersIn } from "../../support/numbered.ts";
import { whyNoTools } from "../../support/packages.ts";
import { isQuick } from "../../support/quick.ts";
import { Random } from "../../support/random.ts";
import { RecorderProcess, traceAgent } from "../../support/recorder-process.ts";
import { testSeed } from "../../support/seed.ts";
import { whyNoSmallDisk, withSmallDisk } from "../../support/small-disk.ts";
import { testUnless } from "../../support/test-unless.ts";
import { unmountTracefs } from "../../support/tracefs.ts";
import { runTraceCmd } from "../../support/trace-cmd.ts";

setDefaultTimeout(300_000);
endsGuests();
afterAll(unmountTracefs);
const MiB = 1024 * 1024;
const noTraceCmd = await whyNoTools("trace-cmd");

const clocks = { words: ["clock"], files: { trace_clock: "local [mono_raw]\n" }, time: true, subBuffers: 0 };

function segmentsOf(world: World, name = "vm1"): readonly SessionRecording[] {
  if (!existsSync(`${world.out}/session.json`)) return [];
  const all = sessionOf(world).machines.find((machine) => machine.name === name)?.recordings ?? [];
  return all.filter(({ state }) => state !== "recording");
}

async function segments(world: World, count: number): Promise<void> {
  await eventually(
    () => segmentsOf(world).length >= count,
    `${count} segments are there`,
    () => (existsSync(`${world.out}/session.json`) ? readFileSync(`${world.out}/session.json`, "utf8") : ""),
  );
}

/** All that the directory holds of a machine, read as one recording. */
async function numbersOf(world: World, machine = "vm1"): Promise<Map<number, Numbers>> {
  const recordings = await openRecordings([world.out], { machines: [machine] });
  try {
    expect(recordings.parts).toHaveLength(1);
    const [part] = recordings.parts;
    return part === undefined ? new Map() : numbersIn(part.source);
  } finally {
    recordings.close();
  }
}

function expectAll(numbers: Map<number, Numbers>, cpus: number): void {
  expect([...numbers.keys()]).toEqual(Array.from({ length: cpus }, (_, cpu) => cpu));
  for (const { events, first, last, faults } of numbers.values())
    expect({ first, faults: faults.slice(0, 5), events }).toEqual({ first: 0, faults: [], events: last + 1 });
}

const inOneSegment = "has each event in exactly one segment, all of them cut at one time, each a recording of its own";

describe("record --rotate", () => {
  testUnless(noTraceCmd, inOneSegment, async () => {
    const world = newWorld();
    await startGuest(world.guest("vm1"), { ...clocks, numbered: 2, aheadNs: [5e9] });
    await startGuest(world.guest("vm2"), { ...clocks, numbered: 1, transport: "socket" });
    const guests = [world.guest("vm1"), world.guest("vm2")];
    const recorder = new RecorderProcess(["record", ...guests, "--rotate", "1M", "-o", world.out]);
    await segments(world, 3);
    recorder.kill("SIGINT");
    const end = await recorder.ended();
    expect({ code: end.code, stderr: end.code === 0 ? "" : end.stderr }).toEqual({ code: 0, stderr: "" });
    for (const name of ["vm1", "vm2"]) {
      const numbers = await numbersOf(world, name);
      expectAll(numbers, 2);
      const all = segmentsOf(world, name);
      const events = [...numbers.values()].reduce((sum, one) => sum + one.events, 0);
      expect(all.reduce((sum, one) => sum + (one.events ?? 0), 0)).toBe(events);
      expect(all.map(({ state, reason }) => reason ?? state)).toEqual(all.map(() => "whole"));
      for (const { file, from, to, events: count = 0 } of all) {
        expect(file).toMatch(new RegExp(String.raw`^${name}/\d{8}T\d{6}Z-\d{4}\.dat$`));
        const path = `${world.out}/${file}`;
        const source = openTraceDat(path);
        const own = [...numbersIn(source).values()];
        expect(own.flatMap(({ faults }) => faults)).toEqual([]);
        expect(source.metadata.timeShift?.samples).toHaveLength(2);
        const stamps = own.length === 0 ? [] : firstStamps(path);
        for (const stamp of stamps) {
          if (from !== undefined) expect(stamp).toBeGreaterThan(BigInt(from));
          if (to !== undefined) expect(stamp).toBeLessThanOrEqual(BigInt(to));
        }
        source.close();
        if (!isQuick || file === all[0]?.file) expect(theirCount(path)).toBe(count);
      }
    }
    // One cut, one number: both machines have it.
    const numbers = (name: string): (number | undefined)[] => segmentsOf(world, name).map(({ number }) => number);
    expect(numbers("vm2").slice(0, 2)).toEqual(numbers("vm1").slice(0, 2));
    expect(existsSync(`${world.out}/.spool`)).toBe(false);
    await expectPart(world);
  });

  test("keeps the newest of them, and the disk below its bound", async () => {
    const world = newWorld();
    await startGuest(world.guest("vm1"), { ...clocks, numbered: 6 });
    const bound = 16 * 1024 * 1024;
    const recorder = new RecorderProcess([
      "record",
      world.guest("vm1"),
      "--rotate",
      "1M",
      "--keep",
      "16M",
      "-o",
      world.out,
    ]);
    let most = 0;
    const look = (): void => {
      const begin = performance.now();
      const bytes = bytesUnder(world.out);
      // In a longer look, of a test that had no CPU meanwhile, what was removed and what came instead would both be counted.
      if (performance.now() - begin < 20) most = Math.max(most, bytes);
    };
    await eventually(() => {
      look();
      return (segmentsOf(world).at(-1)?.number ?? 0) >= 8;
    }, "eight segments were made");
    recorder.kill("SIGINT");
    expect((await recorder.ended()).code).toBe(0);
    expect(Math.max(most, bytesUnder(world.out))).toBeLessThanOrEqual(bound);
    const kept = segmentsOf(world);
    const removed = sessionOf(world).machines[0]?.removed;
    expect(removed?.recordings).toBeGreaterThan(0);
    expect(readdirSync(`${world.out}/vm1`).sort()).toEqual(kept.map(({ file }) => file.slice(4)).sort());
    for (const { faults, last, events, first } of (await numbersOf(world)).values())
      expect({ faults, events }).toEqual({ faults: [], events: last - first + 1 });
  });

  testUnless(whyNoSmallDisk(), "leaves free on the disk what it is to leave free, at any time", async () => {
    await withSmallDisk("24m", async (disk) => {
      const world = newWorld();
      world.out = `${disk}/out`;
      await startGuest(world.guest("vm1"), { ...clocks, numbered: 6 });
      const recorder = new RecorderProcess([
        "record",
        world.guest("vm1"),
        "--rotate",
        "1M",
        "--free",
        "10%",
        "-o",
        world.out,
      ]);
      let least = 1;
      await eventually(() => {
        const { blocks, bavail } = statfsSync(disk);
        least = Math.min(least, bavail / blocks);
        const removed = existsSync(`${world.out}/session.json`) ? sessionOf(world).machines[0]?.removed : undefined;
        return (removed?.recordings ?? 0) >= 2;
      }, "segments were removed");
      recorder.kill("SIGINT");
      const end = await recorder.ended();
      expect({ code: end.code, stderr: end.code === 0 ? "" : end.stderr }).toEqual({ code: 0, stderr: "" });
      // Nobody asked for that: it is told when it begins, and how much it was.
      expect(end.stderr.match(/is to stay free \(--free\): the oldest are removed/g)).toHaveLength(1);
      const { recordings = 0, events = 0 } = sessionOf(world).machines[0]?.removed ?? {};
      expect(end.stdout).toContain(`of the session ${recordings} segments with ${events} events are no longer there`);
      expect(least).toBeGreaterThanOrEqual(0.1);
      for (const { faults, last, events, first } of (await numbersOf(world)).values())
        expect({ faults, events }).toEqual({ faults: [], events: last - first + 1 });
    });
  });

  testUnless(whyNoSmallDisk(), "stays below its bound when it begins with what a killed one left", async () => {
    await withSmallDisk("64m", async (disk) => {
      const world = newWorld();
      world.out = `${disk}/out`;
      await startGuest(world.guest("vm1"), { ...clocks, numbered: 6 });
      const args = ["record", world.guest("vm1"), "--free", "64K", "-o", world.out];
      const first = new RecorderProcess([...args, "--rotate", "6M"]);
      await segments(world, 1);
      const spool = `${world.out}/.spool/vm1`;
      await eventually(() => existsSync(spool) && spooledSubBuffers(spool) * 4096 > 4 * MiB, "4 MiB are in no segment");
      await first.killHard();
      const keep = Math.ceil(bytesUnder(world.out) / 1024) + 256;
      const { bsize, bavail } = statfsSync(disk);
      // A file of all that is in the spool has no room until a segment, which is larger than 1 MiB and its tables, is removed.
      const room = spooledSubBuffers(spool) * 4096 - MiB;
      writeFileSync(`${disk}/filler`, Buffer.alloc(bsize * bavail - room));
      const second = await new RecorderProcess([...args, "--rotate", "1M", "--keep", `${keep}K`, "-d", "0.3"]).ended();
      expect({ code: second.code, stderr: second.stderr }).toEqual({
        code: 74,
        stderr: expect.stringContaining("the recorder was killed"),
      });
      expect(second.stderr).not.toContain("ENOSPC");
      expect(bytesUnder(world.out)).toBeLessThanOrEqual(keep * 1024);
      expect(sessionOf(world).machines[0]?.removed?.recordings).toBeGreaterThan(0);
    });
  });

  test("that is killed at any moment has all that was spooled in segments, and goes on in the same directory", async () => {
    const random = new Random(testSeed);
    for (let round = 0; round < inLongForm(2, 60); round++) {
      const world = newWorld();
      await startGuest(world.guest("vm1"), { ...clocks, numbered: 3, transport: random.pick(["fifo", "socket"]) });
      const args = ["record", world.guest("vm1"), "--rotate", "1M", "-o", world.out];
      const first = new RecorderProcess(args);
      await recording(world, ["vm1"]);
      await segments(world, 1 + random.below(2));
      await Bun.sleep(random.below(400));
      await first.killHard();
      const spooled = spooledSubBuffers(`${world.out}/.spool/vm1`);
      if (random.chance(0.5)) {
        const recovered = await traceAgent("recover", world.out);
        expect({ code: recovered.code, stderr: recovered.stderr }).toEqual({
          code: 74,
          stderr: expect.stringContaining("the recorder was killed"),
        });
        expectAll(await numbersOf(world), 2);
        expect(segmentsOf(world).at(-1)).toMatchObject({ state: "incomplete" });
      } else {
        const second = new RecorderProcess([...args, "-d", "0.3"]);
        const end = await second.ended();
        expect({ code: end.code, stderr: end.stderr }).toEqual({
          code: 74,
          stderr: expect.stringContaining("the recorder was killed"),
        });
        expect(sessionOf(world).gaps).toMatchObject([{ machine: "vm1" }]);
      }
      expect(existsSync(`${world.out}/.spool`)).toBe(false);
      const kept = segmentsOf(world).reduce((sum, { file }) => sum + statSync(`${world.out}/${file}`).size, 0);
      expect(kept).toBeGreaterThanOrEqual(spooled * 4096);
    }
  });
});

/** A part of the times has the lines that the whole has of them, and is read from fewer files. */
async function expectPart(world: World): Promise<void> {
  const report = async (...args: string[]): Promise<string[]> =>
    (await traceAgent("report", "--full-times", world.out, "--machine", "vm1", ...args)).stdout
      .split("\n")
      .filter((line) => line !== "");
  const middle = segmentsOf(world)[0]?.last ?? "";
  const [from, to] = [-20_000_000n, 20_000_000n].map((ns) => BigInt(middle) + BigInt(offsetOf(world)) + ns);
  const seconds = (ns = 0n): string => `${ns / 1_000_000_000n}.${`${ns % 1_000_000_000n}`.padStart(9, "0")}`;
  const part = await report("--from", seconds(from), "--to", seconds(to));
  expect(part.length).toBeGreaterThan(100);
  const isWithin = (line: string): boolean => {
    const time = BigInt(/ (\d+)\.(\d{9}): /.exec(line)?.slice(1).join("") ?? 0);
    return from !== undefined && to !== undefined && time >= from && time <= to;
  };
  const all = await report();
  expect(all.length).toBeGreaterThan(2 * part.length);
  expect(part.filter((line) => / \d+\.\d{9}: /.test(line))).toEqual(all.filter(isWithin));
}

function offsetOf(world: World): string {
  return segmentsOf(world)[0]?.offsetNs ?? "0";
}

/** When the first sub-buffer of each CPU begins. */
function firstStamps(path: string): bigint[] {
  const source = openTraceDat(path);
  try {
    const piece = new Uint8Array(new ArrayBuffer(4096));
    return source
      .open()
      .filter((reader) => reader.read(piece) > 0)
      .map(() => new DataView(piece.buffer).getBigUint64(0, true));
  } finally {
    source.close();
  }
}

function theirCount(path: string): number {
  const { stdout } = runTraceCmd(["report", "-i", path]);
  return stdout.split("\n").filter((line) => line.includes("UNKNOWN EVENT")).length;
}

function spooledSubBuffers(path: string): number {
  return readdirSync(path)
    .filter((name) => /^cpu\d+\.\d+$/.test(name))
    .reduce((sum, name) => sum + Math.floor(statSync(`${path}/${name}`).size / 4096), 0);
}
