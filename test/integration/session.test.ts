/** What a host set in a guest is restored, however the host or the agent ends. */
import { describe, expect, test } from "bun:test";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { guestLimits } from "../../src/guest/limits.ts";
import { AgentFixture, notesFile, sequence } from "../support/agent-fixture.ts";
import { eventually } from "../support/agent-process.ts";
import { startInstanceGuest } from "../support/instance-guest.ts";
import { inLongForm } from "../support/long.ts";
import { inQuickForm } from "../support/quick.ts";
import { findMarkers, writeMarkers } from "../support/markers.ts";
import { RecorderProcess, traceAgent } from "../support/recorder-process.ts";
import { allowedMs, timed } from "../support/timing.ts";

const fixture = new AgentFixture("session");
const { cpus } = fixture;
const rounds = inQuickForm(2, inLongForm(4, 15));
/** None comes while a machine runs. */
const quietEvent = "initcall:initcall_level";

/** What a user of the guest had there, and what no round may change. */
function setUp(): void {
  fixture.tracefs.write("set_event", "irq:irq_handler_entry");
  fixture.tracefs.write("buffer_size_kb", "512");
  fixture.tracefs.write("trace_clock", "global");
  before = settings();
}

function settings(): Record<string, string> {
  const { tracefs } = fixture;
  const clock = /\[(.*)\]/.exec(tracefs.read("trace_clock"))?.[1] ?? "";
  return {
    events: tracefs.read("set_event"),
    size: tracefs.read("buffer_size_kb"),
    clock,
    tracing: tracefs.read("tracing_on"),
  };
}
/** As the kernel tells it: it rounds the size up to whole pages. */
let before: Record<string, string> = {};
const isAsBefore = (): boolean => Bun.deepEquals(settings(), before);
const noted = (): boolean => existsSync(notesFile(fixture.tracefs.path));

/** A recorder that has set all it can, and records. */
async function startRecorder(directory: string, round: number): Promise<{ recorder: RecorderProcess; output: string }> {
  const output = join(fixture.scratch, `killed${round}.dat`);
  const events = ["-e", "sched:sched_switch", "-e", "sched:sched_w*"];
  const recorder = new RecorderProcess(["record", directory, ...events, "-b", "1024", "-C", "mono", "-o", output]);
  await recorder.recording(output);
  expect(settings()).toMatchObject({ clock: "mono" });
  expect(fixture.tracefs.read("set_event")).toContain("sched:sched_waking");
  expect(noted()).toBe(true);
  return { recorder, output };
}

describe.skipIf(fixture.skipReason !== undefined)("settings of a session", () => {
  test(`are restored at the next hello when the recorder was killed with -9, ${rounds} rounds`, async () => {
    setUp();
    const { directory, agent } = await startInstanceGuest(fixture);
    for (let round = 0; round < rounds; round++) {
      const { recorder, output } = await startRecorder(directory, round);
      await recorder.killHard();
      rmSync(`${output}.spool`, { recursive: true, force: true });
      const next = await traceAgent("status", directory);
      expect(next.code).toBe(0);
      await eventually(isAsBefore, `round ${round}: as before`, () => JSON.stringify(settings()) + agent.log);
      await eventually(() => !noted(), `round ${round}: nothing is noted any more`);
    }
  }, 300_000);

  test(`are restored by the next agent when the agent was killed with -9, ${rounds} rounds`, async () => {
    setUp();
    for (let round = 0; round < rounds; round++) {
      const { directory, agent } = await startInstanceGuest(fixture);
      const { recorder, output } = await startRecorder(directory, round);
      agent.child.kill("SIGKILL");
      await agent.end();
      // In half of the rounds the recorder goes too.
      if (round % 2 === 0) await recorder.killHard();
      expect(isAsBefore()).toBe(false);
      const successor = fixture.launch(["--ports", directory]);
      await successor.says("armed: ");
      expect(successor.log).toContain("restored what a killed agent's session had set");
      expect(settings()).toEqual(before);
      expect(noted()).toBe(false);
      await recorder.killHard();
      successor.child.kill("SIGTERM");
      await successor.end();
      rmSync(`${output}.spool`, { recursive: true, force: true });
    }
  }, 300_000);

  test("are restored when the lease runs out, after what the ports take was handed over", async () => {
    setUp();
    const { agent, ports } = await fixture.startOnPorts();
    const context = (): string => agent.log;
    await ports.ask("hello x", "hello", context);
    await ports.ask("host 2", "host", context);
    expect(await ports.ask("set lease 10", "set", context)).toMatchObject({ value: "10", previous: "60" });
    await ports.ask(`set events ${quietEvent}`, "set", context);
    await ports.ask("set clock mono", "set", context);
    // Each byte that a port takes renews the lease, and a busy machine may write the last markers late.
    const begin = performance.now();
    await ports.ask("1", "start", context);
    writeMarkers(fixture.tracefs.path, cpus, 0, 3000);
    const told = await ports.ask("", "error", context);
    expect(told).toMatchObject({ order: "lease", error: "nothing received from the host for 10 s" });
    expect(performance.now() - begin).toBeGreaterThan(9900);
    await eventually(isAsBefore, "as before", () => JSON.stringify(settings()) + agent.log);
    expect(agent.log).toContain("stopped");
    for (const cpu of cpus) expect(findMarkers(ports.reader(cpu).takeAll(), cpu)).toEqual(sequence(0, 3000));
    expect(await ports.ask("hello x", "hello", context)).toMatchObject({ state: "armed" });
    expect(noted()).toBe(false);
  }, 300_000);

  test("stay while a data port takes events, though no order comes for longer than the lease", async () => {
    setUp();
    const { agent, ports } = await fixture.startOnPorts();
    await ports.ask("hello x", "hello", () => agent.log);
    await ports.ask("set lease 10", "set", () => agent.log);
    await ports.ask(`set events ${quietEvent}`, "set", () => agent.log);
    await ports.ask("1", "start", () => agent.log);
    for (let second = 0; second < 14; second += 2) {
      writeMarkers(fixture.tracefs.path, cpus, second * 10, 20);
      await Bun.sleep(2000);
    }
    expect(fixture.tracefs.read("set_event")).toBe(quietEvent);
    expect(await ports.ask("status", "status", () => agent.log)).toMatchObject({ state: "running" });
  }, 300_000);

  test("are restored when a host that acknowledges says nothing, though its ports still take events", async () => {
    setUp();
    const { agent, ports } = await fixture.startOnPorts();
    const context = (): string => agent.log;
    await ports.ask("hello x", "hello", context);
    await ports.ask("host 2 ack", "host", context);
    await ports.ask("set lease 10", "set", context);
    await ports.ask(`set events ${quietEvent}`, "set", context);
    await ports.ask("1", "start", context);
    // As QEMU takes them for a recorder that was killed: MiB, which are hours of a quiet guest.
    let first = 0;
    const write = setInterval(() => writeMarkers(fixture.tracefs.path, cpus, (first += 20), 20), 1000);
    try {
      expect(await ports.ask("", "error", context)).toMatchObject({ order: "lease" });
      await eventually(isAsBefore, "as before", () => JSON.stringify(settings()) + agent.log);
    } finally {
      clearInterval(write);
    }
  }, 300_000);

  test("stay while a host acknowledges what it takes, though it sends no other order", async () => {
    setUp();
    const { agent, ports } = await fixture.startOnPorts();
    const context = (): string => agent.log;
    await ports.ask("hello x", "hello", context);
    await ports.ask("host 2 ack", "host", context);
    await ports.ask("set lease 10", "set", context);
    await ports.ask(`set events ${quietEvent}`, "set", context);
    await ports.ask("1", "start", context);
    for (let second = 0; second < 14; second += 2) {
      writeMarkers(fixture.tracefs.path, cpus, second * 10, 20);
      await Bun.sleep(2000);
      ports.order(`ack 0 ${ports.reader(0).length}\n`);
    }
    expect(fixture.tracefs.read("set_event")).toBe(quietEvent);
    expect(agent.log).not.toContain("nothing received");
  }, 300_000);

  test("of a host that set nothing do not exist: its run goes on, also when another says hello", async () => {
    const { agent, ports } = await fixture.startOnPorts();
    await ports.ask("hello one", "hello", () => agent.log);
    await ports.ask("set lease 10", "set", () => agent.log);
    await ports.ask("1", "start", () => agent.log);
    // As long as the lease, which is looked at six times, and one look more.
    await Bun.sleep(12_000);
    expect(await ports.ask("hello two", "hello", () => agent.log)).toMatchObject({ state: "running" });
    expect(await ports.ask("status", "status", () => agent.log)).toMatchObject({ state: "running" });
  }, 300_000);

  test("are restored at another nonce before the next host's orders count, and within 10 s if nobody reads", async () => {
    setUp();
    const { agent, ports } = await fixture.startOnPorts({ paused: true });
    const context = (): string => agent.log;
    await ports.ask("hello one", "hello", context);
    // Events that do not come: those of a busy machine would fill the ports before the markers.
    await ports.ask("set events oom", "set", context);
    await ports.ask("set buffer_size_kb 4096", "set", context);
    await ports.ask("1", "start", context);
    // More than pipe and port take, and less than the ring buffer holds: nothing is lost, however late the workers are.
    writeMarkers(fixture.tracefs.path, cpus, 0, 60_000);
    // The ports have what they take: this host's silence ends no run of a worker that has not read yet.
    const sent = async (): Promise<number[]> =>
      ((await ports.ask("status", "status", context))["cpus"] as { bytes: number }[]).map(({ bytes }) => bytes);
    while ((await sent()).includes(0)) await Bun.sleep(50);
    // Answered at once, though the data ports are full and the old run cannot end.
    const timing = await timed(async () => {
      expect(await ports.ask("hello two", "hello", context)).toMatchObject({ state: "running" });
      await ports.ask("host 2", "host", context);
      expect(isAsBefore()).toBe(false);
      ports.replies.take();
      expect(await ports.ask("set events timer", "set", context)).toMatchObject({ previous: "irq:irq_handler_entry" });
    });
    expect(timing.ms).toBeGreaterThan(8000);
    // To restore them takes less than a second more.
    expect(timing.ms).toBeLessThan(allowedMs(guestLimits.sessionFlushMs + 1000, timing));
    expect(settings()).toMatchObject({ size: before["size"] });
    for (const cpu of cpus) ports.reader(cpu).resume();
    await ports.ask("0", "stop", context);
    // What was read before its end comes in whole sub-buffers, and nothing behind it.
    expect(agent.log).toContain("what the ring buffer still holds is not sent");
    for (const cpu of cpus) {
      const bytes = ports.reader(cpu).takeAll();
      const found = findMarkers(bytes, cpu);
      expect({ over: bytes.length % fixture.layout.sizeBytes, found }).toEqual({
        over: 0,
        found: sequence(0, found.length),
      });
      expect(found.length).toBeGreaterThan(0);
      expect(found.length).toBeLessThan(60_000);
    }
    expect(await ports.ask("hello three", "hello", context)).toMatchObject({ state: "armed" });
    await eventually(isAsBefore, "as before", () => JSON.stringify(settings()) + agent.log);
  }, 300_000);

  test("of another tracing directory's agent are left to it, and two agents on one do not undo each other", async () => {
    setUp();
    const { agent, ports } = await fixture.startOnPorts();
    await ports.ask("hello x", "hello", () => agent.log);
    await ports.ask("set events sched", "set", () => agent.log);
    const other = await fixture.startOnPorts();
    expect(other.agent.log).not.toContain("restored what");
    await other.ports.ask("hello y", "hello", () => agent.log);
    const refused = await other.ports.ask("set clock mono", "error", () => agent.log);
    expect(refused["error"]).toContain("another trace-agent must still restore settings of");
    expect(settings()).toMatchObject({ clock: "global" });
  });
});

describe.skipIf(fixture.skipReason !== undefined)("set", () => {
  test("with a name that the guest does not have changes nothing: what was enabled stays enabled", async () => {
    setUp();
    const { directory } = await startInstanceGuest(fixture);
    for (const [option, value] of [
      ["-e", "sched_swich"],
      ["-e", "sched:nosuch*"],
    ] as const) {
      const output = join(fixture.scratch, "mistyped.dat");
      const { code, stderr } = await traceAgent("record", directory, option, value, "-d", "0.3", "-o", output);
      expect(code).not.toBe(0);
      expect(stderr).toContain(`has no event "${value}"; `);
      expect(settings()).toEqual(before);
      expect(noted()).toBe(false);
    }
  });

  test("takes globs, and the kernel's own words", async () => {
    const { agent, ports } = await fixture.startOnPorts();
    await ports.ask("hello x", "hello", () => agent.log);
    for (const [list, enabled] of [
      ["sched:sched_switc?", "sched:sched_switch"],
      ["sched:sched_switch *_handler_exit", "irq:irq_handler_exit\nsched:sched_switch"],
      ["sched !sched:sched_*", ""],
    ] as const) {
      await ports.ask(`set events ${list}`, "set", () => agent.log);
      expect(fixture.tracefs.read("set_event").split("\n").sort().join("\n")).toBe(enabled);
    }
  });
});
