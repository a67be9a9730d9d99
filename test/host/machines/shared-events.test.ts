/** Events that are named for all machines of a recording, of which some have them and others have not. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { endsGuests, newWorld, startGuest, startGuests, statesOf } from "../../support/fake-machines.ts";
import { traceAgent } from "../../support/recorder-process.ts";
import { testUnless } from "../../support/test-unless.ts";
import { reasonWithoutTracefs, unmountTracefs } from "../../support/tracefs.ts";

setDefaultTimeout(300_000);
endsGuests();
const noTracefs = reasonWithoutTracefs();
afterAll(unmountTracefs);

describe("events that are named for several machines", () => {
  const files = { "events/test/mark/format": 'name: mark\nID: 9\nformat:\n\nprint fmt: ""\n' };

  test("are an error that tells what was meant, where none has them", async () => {
    const world = newWorld();
    const guests = [world.guest("vm1"), world.guest("vm2")];
    await startGuests(world, { vm1: { files }, vm2: { files } });
    const end = await traceAgent("record", ...guests, "-e", "marc", "-d", "1", "-o", world.out);
    expect(end).toMatchObject({ code: 69, stdout: "" });
    expect(end.stderr).toBe('trace-agent: error: no machine has event "marc"; did you mean mark?\n');
    expect(existsSync(world.out)).toBe(false);
  });

  testUnless(noTracefs, "are recorded of those that have them, and one line says which have not", async () => {
    const world = newWorld();
    await startGuest(world.guest("vm1"), { files });
    const args = ["-e", "mark", "-e", "sched_switch", "-d", "1", "-o", world.out];
    const end = await traceAgent("record", world.guest("vm1"), "--host", ...args);
    expect(end.code).toBe(0);
    expect(end.stderr).toContain('event "mark": recorded of the other machines, host has none of that name\n');
    expect(end.stderr).toContain('event "sched_switch": recorded of the other machines, vm1 has none of that name\n');
    expect(statesOf(world)).toMatchObject({ vm1: ["vm1.dat whole 200"] });
  });
});
