/** `record --last --on TRIGGER`: fake guests, and the snapshots that what they do leads to. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { eventually } from "../../support/agent-process.ts";
import { endsGuests, newWorld, recording, sessionOf, startGuest, type World } from "../../support/fake-machines.ts";
import { testUnless } from "../../support/test-unless.ts";
import { reasonWithoutTracefs, unmountTracefs } from "../../support/tracefs.ts";
import { type CommandEnd, RecorderProcess, traceAgent, traceAgentText } from "../../support/recorder-process.ts";

setDefaultTimeout(300_000);
endsGuests();
const noTracefs = reasonWithoutTracefs();
afterAll(unmountTracefs);

/** Of what a fake agent sends: sub-buffers whose bytes are all 1, 2, 3 ... on the first CPU. */
const files = {
  "events/test/mark/format": [
    "name: mark\nID: 771\nformat:",
    "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;",
    "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;",
    "\tfield:int value;\toffset:4;\tsize:4;\tsigned:1;",
    '\nprint fmt: "%d", REC->value\n',
  ].join("\n"),
};

async function record(world: World, ...args: string[]): Promise<RecorderProcess> {
  const ring = ["--last", "60s", "--every", "0s", "-o", world.out];
  const recorder = new RecorderProcess(["record", world.guest("vm1"), ...ring, ...args]);
  await recording(world, ["vm1"]);
  return recorder;
}

/** What the snapshots were taken for. */
function triggersIn(world: World): (string | undefined)[] {
  return sessionOf(world)
    .machines.flatMap(({ recordings }) => recordings)
    .filter(({ state }) => state !== "recording")
    .map((one) => one.trigger);
}

async function taken(world: World, triggers: readonly string[]): Promise<void> {
  await eventually(
    () => JSON.stringify(triggersIn(world)) === JSON.stringify(triggers),
    `snapshots for ${triggers.join(", ")}`,
    () => JSON.stringify(triggersIn(world)),
    300_000,
  );
}

describe("record --last", () => {
  test("takes a snapshot at an event, at a signal and on order, and goes on", async () => {
    const world = newWorld();
    await startGuest(world.guest("vm1"), { files });
    const event = "event=test:mark/value == 0x03030303";
    const recorder = await record(world, "--on", event, "--on", "event=test:mark/value == 1");
    await taken(world, [event]);
    recorder.kill("SIGUSR2");
    await taken(world, [event, "signal"]);
    const order = await traceAgent("snapshot", world.out, "vm1");
    expect({ code: order.code, stderr: order.stderr }).toEqual({ code: 0, stderr: "" });
    expect(existsSync(/^vm1: (\S+) \(\d+ bytes\)\n$/.exec(order.stdout)?.[1] ?? "")).toBeTrue();
    expect(triggersIn(world)).toEqual([event, "signal", "command"]);
    expect(JSON.parse(await traceAgentText("status", world.out, "--json"))).toMatchObject({
      mode: "ring",
      snapshots: { event: 1, signal: 1, command: 1 },
      machines: [{ segments: 3, receivedBytes: 163_840, spoolBytes: 163_840 }],
    });
    await traceAgent("stop", world.out);
    expect((await recorder.ended()).code).toBe(0);
    const snapshots = readdirSync(`${world.out}/vm1`);
    expect(snapshots.length).toBe(3);
    for (const file of snapshots) expect(await traceAgentText("report", `${world.out}/vm1/${file}`)).toContain("mark");
  });

  test("is refused before it starts where no machine has what a trigger asks for, and goes on where one has", async () => {
    const world = newWorld();
    const other = files["events/test/mark/format"].replace("int value", "int worth");
    await startGuest(world.guest("vm1"), { files });
    await startGuest(world.guest("vm2"), { files: { "events/test/mark/format": other } });
    const on = (field: string, ...guests: string[]): Promise<CommandEnd> => {
      const ring = ["--last", "60s", "--on", `event=test:mark/${field} == 1`, "-o", world.out, "-d", "0.2"];
      return traceAgent("record", ...guests.map((name) => world.guest(name)), ...ring);
    };
    const none = await on("valeu", "vm1", "vm2");
    expect(none.stderr).toContain('no machine can be watched for "event=test:mark/valeu == 1"');
    expect(none.stderr).toContain('event test:mark has no field "valeu"; did you mean value?');
    expect({ code: none.code, there: existsSync(world.out) }).toEqual({ code: 69, there: false });
    const one = await on("worth", "vm1", "vm2");
    expect(one.stderr).toContain('vm1 is not watched for "event=test:mark/worth == 1"');
    expect(one.code).toBe(0);
  });

  test("takes one when the guest is gone, before it ends itself", async () => {
    const world = newWorld();
    const agent = await startGuest(world.guest("vm1"));
    const recorder = await record(world, "--on", "guest-gone");
    await agent.end();
    expect((await recorder.ended()).code).toBe(74);
    expect(triggersIn(world)).toEqual(["guest-gone"]);
  });

  test("takes one when the guest's agent is silent, and when it is another", async () => {
    const world = newWorld();
    const ordersTo = `${world.folder}/orders`;
    const agent = await startGuest(world.guest("vm1"), { ordersTo });
    const recorder = await record(world, "--on", "guest-gone", "--silent-after", "1s");
    // A second without an answer is a long one, and still a busy machine may have others.
    const gone = (): number => triggersIn(world).length;
    const first = gone();
    agent.hang();
    await eventually(() => gone() > first, "a snapshot of the silence");
    const orders = (): number => readFileSync(ordersTo, "latin1").split("\n").length;
    const before = orders();
    agent.goOn();
    await eventually(() => orders() > before + 2, "it answers again");
    const second = gone();
    await agent.reboot();
    expect((await recorder.ended()).code).toBe(74);
    expect(gone()).toBeGreaterThan(second);
    expect(new Set(triggersIn(world))).toEqual(new Set(["guest-gone"]));
  });
});

testUnless(noTracefs, "record --host takes a snapshot when a task waited long for a CPU", async () => {
  const world = newWorld();
  // Each machine has a wake-up of more than a microsecond.
  const ring = ["--last", "60s", "--on", "latency=1us", "-o", world.out];
  const recorder = new RecorderProcess(["record", "--host", ...ring]);
  await recording(world, ["host"]);
  await eventually(
    () => triggersIn(world).includes("latency=1us"),
    "a wait is seen",
    () => JSON.stringify(sessionOf(world)),
    300_000,
  );
  await traceAgent("stop", world.out);
  const end = await recorder.ended();
  expect(end.stderr).toMatch(
    /host: task \d+ (?:waited|has been waiting for) (?:\d+ us|\d+\.\d ms) for a CPU: a snapshot was taken/,
  );
});
