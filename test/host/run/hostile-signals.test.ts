/** Guests that mean harm, and signals: every command hears them. */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { closeSync, constants, existsSync, openSync } from "node:fs";
import { makeFifo } from "../../../ffi/pipe.ts";
import { hostLimits } from "../../../src/host/limits.ts";
import { eventually } from "../../support/agent-process.ts";
import type { HostileKind } from "../../support/hostile-guest.ts";
import { Attacked, HostileWorld, slackSeconds } from "../../support/hostile-world.ts";

const world = new HostileWorld();
afterEach(() => world.endAll());
afterAll(() => world.remove());
const graceSeconds = hostLimits.stopGraceMs / 1000;
const forSeconds = 0.3;

describe("Ctrl-C", () => {
  /** And the code after one signal: a guest that never answers the stop leaves nobody knowing what is missing. */
  const running: [string, HostileKind, readonly string[], number][] = [
    ["record", "noStopForAWhile", ["record", "-o", world.output], 74],
    ["record", "flood", ["record", "-o", world.output], 0],
    ["stream", "noStopForAWhile", ["stream"], 74],
    ["top", "noStopForAWhile", ["top"], 74],
  ];
  test.each(running)(
    "ends %s of a guest of kind %s after a while, and at once when it comes twice",
    async (_, kind, command, expected) => {
      const patient = new Attacked(world, await world.guestOf(kind), command);
      await patient.running();
      let askedMs = performance.now();
      patient.kill("SIGINT");
      const { code: patientCode, stderr } = await patient.end();
      expect({ code: patientCode, stderr }).toEqual({ code: expected, stderr: expect.any(String) });
      expect((performance.now() - askedMs) / 1000).toBeLessThan(graceSeconds + slackSeconds);
      world.removeOutput();

      const hasty = new Attacked(world, await world.guestOf(kind), command);
      await hasty.running();
      askedMs = performance.now();
      hasty.kill("SIGINT");
      await hasty.signalled("SIGINT");
      hasty.kill("SIGINT");
      const { code } = await hasty.end();
      // What was received is whole already, and is being written: that can be done again out of the spool.
      if (code === 130) expect(existsSync(`${world.output}.spool`)).toBe(true);
      else expect([expected, 74]).toContain(code);
      expect((performance.now() - askedMs) / 1000).toBeLessThan(graceSeconds);
    },
    300_000,
  );

  test("ends a wait for the first answers at once", async () => {
    for (const kind of ["busy", "drip", "slowBody"] as const) {
      const waiting = new Attacked(world, await world.guestOf(kind), ["record", "-o", world.output]);
      await eventually(
        () => waiting.stderr.includes("taking event formats and symbols"),
        "it says what it waits for",
        () => waiting.stderr,
      );
      const askedMs = performance.now();
      waiting.kill("SIGINT");
      expect(await waiting.end()).toMatchObject({ code: 69 });
      expect((performance.now() - askedMs) / 1000).toBeLessThan(graceSeconds);
      expect(existsSync(`${world.output}.spool`)).toBe(false);
    }
  }, 300_000);

  test("ends stream when nobody reads its output, and so does -d", async () => {
    const directory = await world.guestOf("flood");
    const unread = `${world.base}/unread`;
    makeFifo(unread, 0o600);
    // Open for both ways, so that it has a reader, who does nothing.
    const fd = openSync(unread, constants.O_RDWR);
    const timed = new Attacked(world, directory, ["stream", "-d", `${forSeconds}`], fd);
    const end = await timed.end();
    expect(end.code).toBe(74);
    expect(end.stderr).toContain("they came faster than stdout takes them");
    expect(end.seconds).toBeLessThan(forSeconds + hostLimits.drainMostMs / 1000 + slackSeconds);

    const hasty = new Attacked(world, directory, ["stream"], fd);
    await hasty.running();
    await Bun.sleep(1000);
    const askedMs = performance.now();
    hasty.kill("SIGINT");
    await hasty.signalled("SIGINT");
    hasty.kill("SIGINT");
    await hasty.end();
    expect((performance.now() - askedMs) / 1000).toBeLessThan(graceSeconds);
    closeSync(fd);
  }, 300_000);
});
