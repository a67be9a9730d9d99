/** Guests that mean harm: every command ends in bounded time and memory. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { hostLimits } from "../../../src/host/limits.ts";
import type { HostileKind } from "../../support/hostile-guest.ts";
import { type AttackEnd, Attacked, HostileWorld, slackSeconds } from "../../support/hostile-world.ts";

const world = new HostileWorld();
afterEach(() => world.endAll());
afterAll(() => world.remove());
const silenceSeconds = hostLimits.reply.silenceMs / 1000;

const forSeconds = 0.3;
const record = ["record", "-d", `${forSeconds}`, "-o", world.output];
const stream = ["stream", "-d", `${forSeconds}`];
const top = ["top", "-d", `${forSeconds}`];
const status = ["status"];

type Case = { kind: HostileKind; command: readonly string[]; code: number; words: string; withinSeconds: number };
const cases: Case[] = [
  { kind: "fraction", command: record, code: 69, words: "with something that is no reply", withinSeconds: 1 },
  { kind: "fraction", command: stream, code: 69, words: "with something that is no reply", withinSeconds: 1 },
  { kind: "counts", command: status, code: 69, words: "with something that is no reply", withinSeconds: 1 },
  { kind: "nested", command: record, code: 69, words: "with something that is no reply", withinSeconds: 2 },
  { kind: "nested", command: status, code: 69, words: "with something that is no reply", withinSeconds: 2 },
  { kind: "nestedMetadata", command: stream, code: 74, words: "cannot use the metadata", withinSeconds: 5 },
  { kind: "nestedMetadata", command: record, code: 74, words: "cannot use the metadata", withinSeconds: 5 },
  { kind: "manyFormats", command: record, code: 0, words: "", withinSeconds: 10 },
  { kind: "drip", command: record, code: 69, words: "nothing useful arrived", withinSeconds: silenceSeconds },
  { kind: "drip", command: status, code: 69, words: "nothing useful arrived", withinSeconds: silenceSeconds },
  { kind: "slowBody", command: top, code: 69, words: "nothing useful arrived", withinSeconds: silenceSeconds },
  { kind: "noStart", command: record, code: 69, words: 'does not answer order "1"', withinSeconds: silenceSeconds },
  { kind: "stopTrickle", command: record, code: 74, words: "more than its ring buffer can hold", withinSeconds: 5 },
  { kind: "stopTrickle", command: stream, code: 74, words: "more than its ring buffer can hold", withinSeconds: 5 },
  { kind: "stopFlood", command: record, code: 74, words: "more than its ring buffer can hold", withinSeconds: 8 },
  { kind: "stopFlood", command: top, code: 74, words: "more than its ring buffer can hold", withinSeconds: 8 },
  { kind: "noStop", command: record, code: 74, words: 'order "0"', withinSeconds: silenceSeconds + 10 },
  { kind: "neverStops", command: record, code: 74, words: "more came than the guest tells of", withinSeconds: 5 },
  { kind: "neverStops", command: stream, code: 0, words: "", withinSeconds: 5 },
  { kind: "trickle", command: stream, code: 74, words: "of a sub-buffer, not shown", withinSeconds: 15 },
  { kind: "jumps", command: stream, code: 0, words: "", withinSeconds: 10 },
  { kind: "jumps", command: top, code: 0, words: "", withinSeconds: 10 },
  { kind: "flood", command: record, code: 0, words: "", withinSeconds: 10 },
];

/** Those in which a command waits out its limit: all at once, because nothing happens in them. */
const waitingCases = cases.filter(({ withinSeconds }) => withinSeconds >= silenceSeconds);
const otherCases = cases.filter((entry) => !waitingCases.includes(entry));

describe("a hostile guest", () => {
  const waiting = new Map<Case, Promise<AttackEnd>>();
  const endOfWaiting: (() => Promise<unknown>)[] = [];
  beforeAll(async () => {
    for (const entry of waitingCases) {
      const own = entry.command.map((word) =>
        word === world.output ? `${world.base}/waiting${waiting.size}.dat` : word,
      );
      waiting.set(entry, new Attacked(world, await world.guestOf(entry.kind), own).end());
    }
    endOfWaiting.push(...world.started.splice(0));
  });
  afterAll(async () => {
    await Promise.all(endOfWaiting.map((end) => end()));
  });

  test.each(
    // The others are tried meanwhile.
    [...otherCases, ...waitingCases].map(
      (entry) => [`${entry.command[0]} ends with code ${entry.code} on a guest of kind ${entry.kind}`, entry] as const,
    ),
  )(
    "%s, in time and memory that are bounded",
    async (_, entry) => {
      const { kind, command, code, words, withinSeconds } = entry;
      const end = await (waiting.get(entry) ?? new Attacked(world, await world.guestOf(kind), command).end());
      expect({ code: end.code, stderr: end.code === code ? "" : end.stderr }).toEqual({ code, stderr: "" });
      expect(end.stderr).toContain(words);
      expect(end.stderr).not.toContain("internal error");
      expect(end.seconds).toBeLessThan(withinSeconds + slackSeconds);
      expect(end.peakMiB).toBeLessThan(256);
    },
    300_000,
  );

  test("that floods stream is followed for no longer than -d and a while", async () => {
    const end = await new Attacked(world, await world.guestOf("flood"), stream).end();
    // On a machine that is too slow to write all of it in time, that is said.
    expect(end.code).toBe(end.stderr.includes("they came faster than stdout takes them") ? 74 : 0);
    expect(end.seconds).toBeLessThan(forSeconds + hostLimits.drainMostMs / 1000 + slackSeconds);
    expect(end.peakMiB).toBeLessThan(256);
  }, 300_000);

  test("cannot fill the disk beyond -m: what it sends after the stop is bounded", async () => {
    const end = await new Attacked(world, await world.guestOf("stopFlood"), [...record, "-m", "1M"]).end();
    expect(end.code).toBe(74);
    expect(statSync(world.output).size).toBeLessThan(32 * 2 ** 20);
  }, 300_000);
});
