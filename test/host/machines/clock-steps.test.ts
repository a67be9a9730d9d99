/** A guest whose clock steps while it is recorded: what came before and after is placed apart, each event by what is known of its time. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { syncFiles } from "../../../src/timeline/sync/sync-files.ts";
import { sessionOf } from "../../support/fake-machines.ts";
import { inTurn } from "../../support/quick.ts";
import {
  eventsOf,
  expectApart,
  hostTime,
  type Left,
  recovered,
  type Shown,
  shownIn,
  worstOf,
} from "./stepping-guest.ts";

setDefaultTimeout(60_000);
let base = "";
beforeAll(() => {
  base = mkdtempSync(`${tmpdir()}/ta-steps-`);
});
afterAll(() => rmSync(base, { recursive: true }));

describe("a clock that steps", () => {
  const [before, after] = [
    { from: 0, to: 4, ahead: 5 },
    { from: 4, to: 10, ahead: 7 },
  ];
  const back = { from: 4, to: 10, ahead: 3 };
  const cases: Record<string, Left & { by: number[] }> = {
    forwards: { eras: [before, after], burstsAt: [0, 10], by: [-2] },
    "forwards, long before the last round trips": {
      eras: [before, { from: 4, to: 6, ahead: 7 }],
      burstsAt: [0, 10],
      by: [-2],
    },
    backwards: { eras: [before, back], burstsAt: [0, 10], by: [2] },
    "far backwards": { eras: [{ from: 0, to: 4, ahead: 50 }, back], burstsAt: [0, 10], by: [47] },
    "backwards, while a CPU is quiet": {
      eras: [before, back],
      burstsAt: [0, 10],
      quiet: [0.5, 1, 9.9],
      by: [2],
    },
    twice: {
      eras: [before, { from: 4, to: 13, ahead: 5.5 }, { from: 13, to: 20, ahead: 1 }],
      burstsAt: [0, 10, 20],
      by: [-0.5, 4.5],
    },
    "within a burst": { eras: [before, after], burstsAt: [0, 4, 10], within: [4], by: [-2] },
  };
  test.each(inTurn(Object.entries(cases), 0))(
    "%s divides its recording, whose parts are told and placed by themselves",
    async (name, made) => {
      const { out } = await recovered(`${base}/${name.replaceAll(" ", "-")}`, made);
      await expectApart(out, made.eras, eventsOf(made.eras, made.quiet));
      const { machines, offsets } = sessionOf({ out });
      const recordings = machines.find((machine) => machine.name === "vm1")?.recordings ?? [];
      expect(recordings.map(({ file, state, reason }) => [file, state, reason])).toEqual(
        made.eras.map((_, index) => [
          index === 0 ? "vm1.dat" : `vm1-${index + 1}.dat`,
          "whole",
          index === made.eras.length - 1 ? undefined : "its clock stepped",
        ]),
      );
      const near = (ns: string | undefined): number => Math.round(Number(ns) / 1e6) / 1e3;
      expect(recordings.slice(1).map(({ step }) => near(step?.ns))).toEqual(made.by);
      expect(offsets["vm1"]?.steps?.map(({ ns }) => near(ns))).toEqual(made.by);
      expect(offsets["vm2"]?.steps).toBeUndefined();
      // By the host's clock the second one begins where its events do.
      const begun = recordings.map(({ started = "" }) => Date.parse(started));
      for (const [index, { from }] of made.eras.entries())
        expect(Math.abs((begun[index] ?? 0) - (begun[0] ?? 0) - from * 1e3)).toBeLessThan(5);
    },
  );

  test.each(inTurn(Object.entries(cases), 1))(
    "%s divides a segment, too, whose parts are no longer read as one",
    async (name, made) => {
      const { out } = await recovered(`${base}/cut-${name.replaceAll(" ", "-")}`, { ...made, pieceBytes: 16_384 });
      await expectApart(out, made.eras, eventsOf(made.eras, made.quiet));
      const { machines } = sessionOf({ out });
      const recordings = machines.find((machine) => machine.name === "vm1")?.recordings ?? [];
      expect(recordings.map(({ state, number, step }) => [state, number, step === undefined])).toEqual(
        made.eras.map((_, index) => ["whole", index + 1, index === 0]),
      );
      expect(existsSync(`${out}/.spool`)).toBe(false);
    },
  );

  test.each(
    Object.entries({
      "before there are events": {
        eras: [
          { ...before, to: 0 },
          { from: 2, to: 10, ahead: 7 },
        ],
        burstsAt: [-1, 10],
      },
      "after the last of them": { eras: [before, { from: 6, to: 6, ahead: 9 }], burstsAt: [0, 6] },
      "at the first burst": { eras: [after], burstsAt: [3.9, 10], within: [3.9] },
    }),
  )("%s divides nothing", async (name, made: Left) => {
    const { out } = await recovered(`${base}/${name.replaceAll(" ", "-")}`, made);
    const [recording, ...more] =
      sessionOf({ out }).machines.find((machine) => machine.name === "vm1")?.recordings ?? [];
    expect({ file: recording?.file, reason: recording?.reason, more }).toEqual({
      file: "vm1.dat",
      reason: undefined,
      more: [],
    });
    const [shown = []] = await shownIn(out);
    expect(shown.length).toBe(eventsOf(made.eras));
    const bound = sessionOf({ out }).offsets["vm1"]?.boundNs ?? 0;
    expect(bound).toBeWithin(1, 10_000_000);
    expect(worstOf(shown)).toBeLessThanOrEqual(bound + 2);
  });

  test("is followed on the host's clock before and after by what the host ran; sync and every reader take both parts", async () => {
    const eras = [before, { from: 4, to: 7, ahead: 7 }];
    const { out } = await recovered(`${base}/on-a-host`, { eras, burstsAt: [0, 7], host: true });
    await expectApart(out, eras, eventsOf(eras));
    const expectPlaced = (directory: string): void => {
      const { machines, offsets } = sessionOf({ out: directory });
      const recordings = machines.find(({ name }) => name === "vm1")?.recordings ?? [];
      expect(recordings.map(({ offset }) => offset?.method)).toEqual(["causality", "causality"]);
      for (const { offset } of recordings) expect(offset?.boundNs).toBeLessThan(60_000);
      expect(recordings.map(({ offset }) => offset?.steps?.length)).toEqual([undefined, 1]);
      expect(offsets["vm1"]).toMatchObject({ method: "causality", steps: [recordings[1]?.step] });
      expect(offsets["vm1"]?.inside).toBe(offsets["vm1"]?.events);
    };
    expectPlaced(out);
    const synced = `${out}-synced`;
    const options = { group: undefined, host: undefined, offsets: new Map(), vcpus: new Map() };
    syncFiles({ ...options, paths: [out], directory: synced, onStep: () => {} });
    await expectApart(synced, eras, eventsOf(eras));
    expectPlaced(synced);
  });

  /** Its clock stood still with it for 0.8 s; bursts tell that to 9.2 s. */
  test("since the guest stood still is found to the millisecond by what the host ran", async () => {
    const eras = [before, { from: 4.8, to: 10, ahead: 4.2 }];
    const { out } = await recovered(`${base}/still-on-a-host`, { eras, burstsAt: [0, 10], host: true });
    const [early = [], late = []] = await shownIn(out);
    expect(early.length + late.length).toBe(eventsOf(eras));
    // But for those that are as near to the step as round trips leave it open.
    const isNear = ({ truth }: Shown): boolean =>
      [4, 4.8].some((at) => Math.abs(Number(truth - hostTime(at))) < 2_000_000);
    expect(early.filter((one) => one.truth > hostTime(4.4) && !isNear(one))).toEqual([]);
    expect(late.filter((one) => one.truth < hostTime(4.4) && !isNear(one))).toEqual([]);
    expect(worstOf([...early, ...late].filter((one) => !isNear(one)))).toBeLessThan(60_000);
    const [, recording] = sessionOf({ out }).machines.find(({ name }) => name === "vm1")?.recordings ?? [];
    expect(Number(recording?.step?.to) - Number(recording?.step?.from)).toBeWithin(0, 4_000_000);
  });

  test("since the guest stood still is told with the times between which nothing tells when", async () => {
    const eras = [before, { from: 4.8, to: 10, ahead: 4.2 }];
    const { out } = await recovered(`${base}/still`, { eras, burstsAt: [0, 10] });
    const { step } = sessionOf({ out }).machines.find(({ name }) => name === "vm1")?.recordings[1] ?? {};
    const [from, to] = [BigInt(step?.from ?? 0), BigInt(step?.to ?? 0)];
    expect([from, to]).toEqual([hostTime(5), hostTime(14.2)]);
    const parts = await shownIn(out);
    expect(parts.flat().length).toBe(eventsOf(eras));
    expect(worstOf(parts.flat())).toBeLessThan(Number(step?.ns) + 10_000_000);
  });
});
