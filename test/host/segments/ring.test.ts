/** A ring of the newest seconds, and snapshots of it, while the recording goes on. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, statSync } from "node:fs";
import { openTraceDat } from "../../../src/trace-dat/read/reader.ts";
import type { SessionRecording } from "../../../src/trace-dat/session/session-file.ts";
import { eventually } from "../../support/agent-process.ts";
import { endsGuests, newWorld, recording, sessionOf, startGuest, type World } from "../../support/fake-machines.ts";
import { type Numbers, numbersIn } from "../../support/numbered.ts";
import { RecorderProcess, traceAgent } from "../../support/recorder-process.ts";

setDefaultTimeout(300_000);
endsGuests();

const clocks = { words: ["clock"], files: { trace_clock: "local [mono_raw]\n" }, time: true, subBuffers: 0 };
const MiB = 1024 * 1024;

function snapshotsOf(world: World, name = "vm1"): readonly SessionRecording[] {
  const all = sessionOf(world).machines.find((machine) => machine.name === name)?.recordings ?? [];
  return all.filter(({ trigger }) => trigger !== undefined);
}

/** In pieces, that are not full yet too. */
function ringBytes({ out }: World): number {
  const path = `${out}/.spool/vm1`;
  if (!existsSync(path)) return 0;
  return readdirSync(path)
    .filter((name) => name.startsWith("cpu"))
    .reduce((sum, name) => sum + (statSync(`${path}/${name}`, { throwIfNoEntry: false })?.size ?? 0), 0);
}

function numbersOf(world: World, file: string): Map<number, Numbers> {
  const source = openTraceDat(`${world.out}/${file}`);
  try {
    return numbersIn(source);
  } finally {
    source.close();
  }
}

describe("record --last", () => {
  test("keeps the newest within its size, and snapshots without a gap while it goes on", async () => {
    const world = newWorld();
    await startGuest(world.guest("vm1"), { ...clocks, numbered: 4 });
    const recorder = new RecorderProcess([
      "record",
      world.guest("vm1"),
      "--last",
      "1h",
      "--max",
      "4M",
      "--every",
      "0s",
      "-o",
      world.out,
    ]);
    await recording(world, ["vm1"]);
    let most = 0;
    const full = (): boolean => {
      most = Math.max(most, ringBytes(world));
      return most > 4 * MiB - MiB;
    };
    await eventually(full, "the ring is full", () => `${most} bytes`);
    for (const count of [1, 2]) {
      const taken = await traceAgent("snapshot", world.out);
      expect({ code: taken.code, stderr: taken.stderr }).toEqual({ code: 0, stderr: "" });
      expect(snapshotsOf(world)).toHaveLength(count);
      // What a snapshot reads is removed after it: pieces, and what comes between two turns.
      await eventually(
        () => ringBytes(world) <= 5 * MiB,
        "the ring has its size again",
        () => `${ringBytes(world)} bytes`,
      );
    }
    recorder.kill("SIGINT");
    const end = await recorder.ended();
    expect({ code: end.code, stderr: end.code === 0 ? "" : end.stderr }).toEqual({ code: 0, stderr: "" });
    const ends = snapshotsOf(world).map(({ file, state, events }) => {
      expect({ state, events }).toEqual({ state: "whole", events: undefined });
      return [...numbersOf(world, file).values()].map(({ faults, first, last, events: count }) => {
        expect({ faults, count }).toEqual({ faults: [], count: last - first + 1 });
        expect(count).toBeGreaterThan(1000);
        return last;
      });
    });
    // The second one goes further.
    expect(ends[1]?.[0]).toBeGreaterThan(ends[0]?.[0] ?? Infinity);
    expect(existsSync(`${world.out}/.spool`)).toBe(false);
  });

  test("has of each CPU what began in the last time, and what came after the trigger", async () => {
    const world = newWorld();
    await startGuest(world.guest("vm1"), { ...clocks, numbered: 1, aheadNs: [7e9] });
    const recorder = new RecorderProcess([
      "record",
      world.guest("vm1"),
      "--last",
      "2s",
      "--after",
      "500ms",
      "-o",
      world.out,
    ]);
    await recording(world, ["vm1"]);
    await Bun.sleep(3000); // As long as the ring keeps, and longer.
    expect((await traceAgent("snapshot", world.out, "vm1")).code).toBe(0);
    const again = await traceAgent("snapshot", world.out, "vm2");
    expect(again.code).not.toBe(0);
    recorder.kill("SIGINT");
    expect((await recorder.ended()).code).toBe(0);
    const [snapshot] = snapshotsOf(world);
    const [from, to] = [BigInt(snapshot?.from ?? 0), BigInt(snapshot?.to ?? 0)];
    expect(to - from).toBe(2_500_000_000n);
    const source = openTraceDat(`${world.out}/${snapshot?.file}`);
    const piece = new Uint8Array(new ArrayBuffer(4096));
    for (const reader of source.open()) {
      const stamps: bigint[] = [];
      while (reader.read(piece) > 0) stamps.push(new DataView(piece.buffer).getBigUint64(0, true));
      expect(stamps.length).toBeGreaterThan(2);
      // The first one may hold events of after the beginning, too.
      for (const stamp of stamps.slice(1)) expect(stamp > from && stamp <= to).toBe(true);
    }
    source.close();
  });

  test("says that nothing is kept where no snapshot was taken", async () => {
    const world = newWorld();
    await startGuest(world.guest("vm1"), { ...clocks, numbered: 1 });
    const end = await traceAgent("record", world.guest("vm1"), "--last", "1h", "-d", "0.5", "-o", world.out);
    expect({ code: end.code, stderr: end.stderr }).toEqual({ code: 0, stderr: "" });
    expect(end.stdout).toBe(`${world.out}: 1 machine (vm1). Nothing is in it: no snapshot was taken\n`);
  });

  test("that is killed leaves its ring to be recovered", async () => {
    const world = newWorld();
    await startGuest(world.guest("vm1"), { ...clocks, numbered: 2 });
    const recorder = new RecorderProcess([
      "record",
      world.guest("vm1"),
      "--last",
      "1h",
      "--max",
      "2M",
      "-o",
      world.out,
    ]);
    await recording(world, ["vm1"]);
    await eventually(() => ringBytes(world) > MiB, "the ring has something");
    await recorder.killHard();
    expect((await traceAgent("recover", world.out)).code).toBe(74);
    const [left] = sessionOf(world).machines[0]?.recordings ?? [];
    expect(left).toMatchObject({ state: "incomplete", reason: expect.stringContaining("killed") });
    for (const { faults, events } of numbersOf(world, left?.file ?? "").values()) {
      expect(faults).toEqual([]);
      expect(events).toBeGreaterThan(1000);
    }
  });
});
