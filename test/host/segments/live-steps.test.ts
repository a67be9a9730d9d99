/** The same as clock-steps.test.ts with the executable and a guest that answers: each cut knows by round trips of its own whether the clock stepped. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { openRecordings } from "../../../src/trace-dat/open-recording.ts";
import { openTraceDat } from "../../../src/trace-dat/read/reader.ts";
import type { SessionRecording } from "../../../src/trace-dat/session/session-file.ts";
import { eventually } from "../../support/agent-process.ts";
import { bytesUnder } from "../../support/bytes-under.ts";
import { endsGuests, newWorld, recording, sessionOf, startGuest, type World } from "../../support/fake-machines.ts";
import { type Numbers, numbersIn } from "../../support/numbered.ts";
import { RecorderProcess, traceAgent } from "../../support/recorder-process.ts";

setDefaultTimeout(300_000);
endsGuests();

const script = {
  words: ["clock"],
  files: { trace_clock: "local [mono_raw]\n" },
  time: true,
  subBuffers: 0,
  numbered: 2,
};

function filesOf(world: World): readonly SessionRecording[] {
  if (!existsSync(`${world.out}/session.json`)) return [];
  const all = sessionOf(world).machines.flatMap(({ recordings }) => recordings);
  return all.filter(({ state }) => state !== "recording");
}

const sumOf = (counts: readonly (number | undefined)[]): number =>
  counts.reduce<number>((sum, one) => sum + (one ?? 0), 0);

/** By CPU those of the later part follow those of the earlier one. */
function expectFollowing(before: Map<number, Numbers>, after: Map<number, Numbers>): void {
  for (const numbers of [before, after])
    expect([...numbers].map(([cpu, { faults }]) => ({ cpu, faults }))).toEqual(
      [0, 1].map((cpu) => ({ cpu, faults: [] })),
    );
  for (const [cpu, { last }] of before) expect(after.get(cpu)?.first).toBe(last + 1);
}

const steppingBy = (ns: number): object => ({ ...script, aheadNs: [5e9], steps: { after: 200, ns } });

describe("a clock that steps", () => {
  test("back divides a segment, which is read as two recordings", async () => {
    const ns = -2e9;
    const world = newWorld();
    await startGuest(world.guest("vm1"), steppingBy(ns));
    const recorder = new RecorderProcess(["record", world.guest("vm1"), "--rotate", "1M", "-o", world.out]);
    const stepped = (): boolean => filesOf(world).some(({ step }) => step !== undefined);
    await eventually(() => stepped() && filesOf(world).at(-1)?.step === undefined, "a segment follows the step");
    recorder.kill("SIGINT");
    const end = await recorder.ended();
    expect({ code: end.code, told: end.stderr.match(/its clock stepped/g)?.length }).toEqual({ code: 0, told: 1 });
    const files = filesOf(world);
    expect(files.filter(({ step }) => step !== undefined)).toHaveLength(1);
    expect(files.filter(({ reason }) => reason === "its clock stepped")).toHaveLength(1);
    const recordings = await openRecordings([world.out]);
    try {
      const [before, after, ...more] = recordings.parts.map(({ source }) => numbersIn(source));
      expect(more).toEqual([]);
      expectFollowing(before ?? new Map(), after ?? new Map());
      for (const { first } of before?.values() ?? []) expect(first).toBe(0);
      const events = [before, after].flatMap((part) => Array.from(part?.values() ?? [], (one) => one.events));
      expect(sumOf(files.map((file) => file.events))).toBe(sumOf(events));
    } finally {
      recordings.close();
    }
    for (const { offsetNs, boundNs = 0 } of files) {
      const truth = Number(offsetNs) + 5e9;
      expect(Math.min(Math.abs(truth), Math.abs(truth + ns))).toBeLessThanOrEqual(boundNs);
    }
    // What came between the step and the next cut is not in a file of before.
    for (const { first = "", last = "" } of files) expect(Number(last)).toBeGreaterThan(Number(first));
  });

  test("forwards divides a snapshot", async () => {
    const world = newWorld();
    await startGuest(world.guest("vm1"), steppingBy(2e9));
    const recorder = new RecorderProcess([
      "record",
      world.guest("vm1"),
      "--last",
      "1h",
      "--max",
      "64M",
      "-o",
      world.out,
    ]);
    await recording(world, ["vm1"]);
    await eventually(() => bytesUnder(`${world.out}/.spool`) > 2_400_000, "the step is in the ring");
    const taken = await traceAgent("snapshot", world.out);
    expect({ code: taken.code, stderr: taken.stderr }).toEqual({ code: 0, stderr: "" });
    recorder.kill("SIGINT");
    expect((await recorder.ended()).code).toBe(0);
    const [early, late, ...more] = filesOf(world);
    expect({ steps: [early?.step, late?.step].map((step) => step !== undefined), more }).toEqual({
      steps: [false, true],
      more: [],
    });
    const numbersOf = (file = ""): Map<number, Numbers> => {
      const source = openTraceDat(`${world.out}/${file}`);
      try {
        return numbersIn(source);
      } finally {
        source.close();
      }
    };
    expectFollowing(numbersOf(early?.file), numbersOf(late?.file));
  });
});
