/** The clocks of guests that are recorded together, over real FIFOs and sockets: what is told of them, and what the files hold. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { ClockReading } from "../../../ffi/clocks.ts";
import { openTraceDat } from "../../../src/trace-dat/read/reader.ts";
import { parseRecordingCounts } from "../../../src/trace-dat/recording-counts.ts";
import type { FakeAgentScript } from "../../support/fake-agent.ts";
import { endsGuests, newWorld, recording, sessionOf, startGuests } from "../../support/fake-machines.ts";
import { numberedEvents, numbersIn } from "../../support/numbered.ts";
import { RecorderProcess, traceAgent } from "../../support/recorder-process.ts";

setDefaultTimeout(300_000);
endsGuests();

describe("clocks of machines that are recorded together", () => {
  /** A round trip takes some ms, on a loaded machine hundreds; a bound that is no round trip is a thousand times as long. */
  const roundTripMaxNs = 5e9;
  const script = { words: ["clock"], files: { trace_clock: "local [mono_raw]\n" } };

  test("are told with their bounds, and each file holds what places it on this machine's clock", async () => {
    const world = newWorld();
    const orders = `${world.folder}/orders`;
    await startGuests(world, {
      vm1: { ...script, aheadNs: [5e9] },
      vm2: { ...script, aheadNs: [-7e9], transport: "socket" },
      vm3: {},
      vm4: { ...script, ordersTo: orders },
    });
    const guests = ["vm1", "vm2", "vm3", "vm4"].map(world.guest);
    const end = await traceAgent("record", ...guests, "-d", "0.3", "-o", world.out);
    expect({ code: end.code, stderr: end.code === 0 ? "" : end.stderr }).toEqual({ code: 0, stderr: "" });
    expect(readFileSync(orders, "latin1")).toMatch(
      /^set clock mono_raw$[^]*^clock [^]*^1$[^]*^0$[^]*^clock [^]*^set clock 1$/m,
    );
    const { offsets } = sessionOf(world);
    for (const [name, ns] of [
      ["vm1", -5e9],
      ["vm2", 7e9],
      ["vm4", 0],
    ] as const) {
      const offset = offsets[name];
      expect({ name, method: offset?.method, reason: offset?.reason, steps: offset?.steps }).toEqual({
        name,
        method: "round trips",
        reason: "the host was not recorded with it",
        steps: undefined,
      });
      const { boundNs = 0 } = offset ?? {};
      expect(boundNs).toBeWithin(1, roundTripMaxNs);
      expect(Math.abs(Number(offset?.ns) - ns)).toBeLessThanOrEqual(boundNs);
      expect(end.stdout).toContain(`${name}: clock ±`);
      const source = openTraceDat(`${world.out}/${name}.dat`);
      const { timeShift } = source.metadata;
      source.close();
      expect(timeShift?.samples.map((samples) => `${samples[0]?.offset}`)).toEqual([`${offset?.ns}`, `${offset?.ns}`]);
    }
    expect(offsets["vm3"]).toEqual({
      method: "unknown",
      reason: "its trace-agent is older and does not tell its clocks, nor do its counters",
    });
    expect(end.stdout).toContain("vm3: clock unknown (its trace-agent is older");
  });

  test("are known to some milliseconds where the agent is older, by the counters that tell its trace time", async () => {
    const world = newWorld();
    const files = { trace_clock: "local [mono_raw]\n", "per_cpu/cpu0/stats": "entries: 0\nnow ts:  1234.567890\n" };
    await startGuests(world, { vm1: { files }, vm2: script });
    const end = await traceAgent("record", world.guest("vm1"), world.guest("vm2"), "-d", "0.3", "-o", world.out);
    const now = new ClockReading();
    now.take();
    // The fake guest's clock stands still, so its offset grows: the two metadata do not agree.
    const { vm1 } = sessionOf(world).offsets;
    expect({ method: vm1?.method, stderr: end.stderr }).toMatchObject({ method: "round trips" });
    const offset = Number(now.at("mono_raw") - 1_234_567_890_000n);
    expect(Number(vm1?.ns) - offset).toBeWithin(-120e9, 0);
    expect(vm1?.boundNs).toBeWithin(1_000, 60e9);
  });

  test("that a guest does not tell, or tells wrong, keep no recording from being made", async () => {
    const world = newWorld();
    const clocks = { mono_raw: "99999999999999999999", mono: "0", boot: "0", realtime: "0" };
    const answers = {
      vm1: "",
      vm2: `${JSON.stringify({ reply: "clock", nonce: "another", read: clocks, sent: clocks })}\n`,
      vm3: `${JSON.stringify({ reply: "clock", nonce: "x", read: { mono_raw: "-1" }, sent: [] })}\n`,
    };
    const answering = (clock: string): Partial<FakeAgentScript> => ({ ...script, answers: { clock } });
    await startGuests(world, {
      vm1: answering(answers.vm1),
      vm2: answering(answers.vm2),
      vm3: answering(answers.vm3),
    });
    const guests = Object.keys(answers).map(world.guest);
    const end = await traceAgent("record", ...guests, "-d", "0.3", "-o", world.out);
    expect({ code: end.code, stderr: end.code === 0 ? "" : end.stderr }).toEqual({ code: 0, stderr: "" });
    for (const name of Object.keys(answers)) {
      expect(sessionOf(world).offsets[name]).toEqual({
        method: "unknown",
        reason: "its agent did not answer when its clocks were asked for",
      });
    }
  });

  test("that step while they are recorded are told at once, and divide their recording", async () => {
    const world = newWorld();
    const steps = { after: 8, ns: 2e9 };
    await startGuests(world, { vm1: { ...script, aheadNs: [5e9], subBuffers: 0, numbered: 2, steps }, vm2: script });
    const recorder = new RecorderProcess([
      "record",
      world.guest("vm1"),
      world.guest("vm2"),
      "-m",
      "400K",
      "-o",
      world.out,
    ]);
    const end = await recorder.ended();
    const told = end.stderr.split("\n").filter((line) => line.includes("its clock stepped"));
    expect(told).toHaveLength(1);
    expect(told[0]).toMatch(
      /guest "vm1": its clock stepped, and is (?:1\.9|2).* s further ahead of this machine's than before/,
    );
    const { offsets, machines } = sessionOf(world);
    expect(offsets["vm2"]?.steps).toBeUndefined();
    expect(offsets["vm1"]?.steps).toHaveLength(1);
    const recordings = machines.find(({ name }) => name === "vm1")?.recordings ?? [];
    expect(recordings.map(({ file, step }) => `${file} ${step !== undefined}`)).toEqual([
      "vm1.dat false",
      "vm1-2.dat true",
    ]);
    let next = 0;
    for (const { file, offset, events } of recordings) {
      const source = openTraceDat(`${world.out}/${file}`);
      const numbers = [...numbersIn(source).values()];
      expect(numbers.map(({ first, faults }) => ({ first, faults }))).toEqual(
        [0, 1].map(() => ({ first: next, faults: [] })),
      );
      expect(events).toBe(numbers.reduce((sum, one) => sum + one.events, 0));
      expect(source.metadata.cpuStats.map(({ text }) => parseRecordingCounts(text).events)).toEqual(
        numbers.map((one) => one.events),
      );
      source.close();
      expect(end.stdout).toContain(`${file}: clock ±`);
      expect(Math.abs(Number(offset?.ns) + 5e9 + (next > 0 ? 2e9 : 0))).toBeLessThanOrEqual(offset?.boundNs ?? 0);
      next = steps.after * numberedEvents;
    }
  });

  test("are known to a recorder that recovers what a killed one left", async () => {
    const world = newWorld();
    await startGuests(world, { vm1: { ...script, aheadNs: [5e9] }, vm2: script });
    const recorder = new RecorderProcess(["record", world.guest("vm1"), world.guest("vm2"), "-o", world.out]);
    await recording(world, ["vm1", "vm2"]);
    await recorder.killHard();
    const end = await traceAgent("recover", world.out);
    expect(end.stdout).toContain("vm1: clock ±");
    expect(Number(sessionOf(world).offsets["vm1"]?.ns)).toBeWithin(-5.9e9, -4.1e9);
  });
});
