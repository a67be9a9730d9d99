/** What a host set in a guest is restored, however the host or the agent ends. */
import { describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { guestLimits } from "../../src/guest/limits.ts";
import { AgentFixture, sequence } from "../support/agent-fixture.ts";
import { eventually } from "../support/agent-process.ts";
import { startInstanceGuest } from "../support/instance-guest.ts";
import { inLongForm } from "../support/long.ts";
import { inQuickForm } from "../support/quick.ts";
import { findMarkers, writeMarkers } from "../support/markers.ts";
import { RecorderProcess, traceAgent } from "../support/recorder-process.ts";
import { SessionSettings } from "../support/session-settings.ts";
import { allowedMs, timed } from "../support/timing.ts";

const fixture = new AgentFixture("session");
const { cpus } = fixture;
const settings = new SessionSettings(fixture);
const rounds = inQuickForm(2, inLongForm(4, 15));
/** A recorder that has set all it can, and records. */
async function startRecorder(directory: string, round: number): Promise<{ recorder: RecorderProcess; output: string }> {
  const output = join(fixture.scratch, `killed${round}.dat`);
  const events = ["-e", "sched:sched_switch", "-e", "sched:sched_w*"];
  const recorder = new RecorderProcess(["record", directory, ...events, "-b", "1024", "-C", "mono", "-o", output]);
  await recorder.recording(output);
  expect(settings.now).toMatchObject({ clock: "mono" });
  expect(fixture.tracefs.read("set_event")).toContain("sched:sched_waking");
  expect(settings.areNoted).toBe(true);
  return { recorder, output };
}

describe.skipIf(fixture.skipReason !== undefined)("settings of a session", () => {
  test(`are restored at the next hello when the recorder was killed with -9, ${rounds} rounds`, async () => {
    settings.setUp();
    const { directory, agent } = await startInstanceGuest(fixture);
    for (let round = 0; round < rounds; round++) {
      const { recorder, output } = await startRecorder(directory, round);
      await recorder.killHard();
      rmSync(`${output}.spool`, { recursive: true, force: true });
      const next = await traceAgent("status", directory);
      expect(next.code).toBe(0);
      await eventually(
        () => settings.areAsBefore,
        `round ${round}: as before`,
        () => settings.text + agent.log,
      );
      await eventually(() => !settings.areNoted, `round ${round}: nothing is noted any more`);
    }
  }, 300_000);

  test(`are restored by the next agent when the agent was killed with -9, ${rounds} rounds`, async () => {
    settings.setUp();
    for (let round = 0; round < rounds; round++) {
      const { directory, agent } = await startInstanceGuest(fixture);
      const { recorder, output } = await startRecorder(directory, round);
      agent.child.kill("SIGKILL");
      await agent.end();
      // In half of the rounds the recorder goes too.
      if (round % 2 === 0) await recorder.killHard();
      expect(settings.areAsBefore).toBe(false);
      const successor = fixture.launch(["--ports", directory]);
      await successor.says("armed: ");
      expect(successor.log).toContain("restored what a killed agent's session had set");
      expect(settings.now).toEqual(settings.before);
      expect(settings.areNoted).toBe(false);
      await recorder.killHard();
      successor.child.kill("SIGTERM");
      await successor.end();
      rmSync(`${output}.spool`, { recursive: true, force: true });
    }
  }, 300_000);

  test("are restored at another nonce before the next host's orders count, and within 10 s if nobody reads", async () => {
    settings.setUp();
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
      expect(settings.areAsBefore).toBe(false);
      ports.replies.take();
      expect(await ports.ask("set events timer", "set", context)).toMatchObject({ previous: "irq:irq_handler_entry" });
    });
    expect(timing.ms).toBeGreaterThan(8000);
    // To restore them takes less than a second more.
    expect(timing.ms).toBeLessThan(allowedMs(guestLimits.sessionFlushMs + 1000, timing));
    expect(settings.now).toMatchObject({ size: settings.before["size"] });
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
    await eventually(
      () => settings.areAsBefore,
      "as before",
      () => settings.text + agent.log,
    );
  }, 300_000);

  test("of another tracing directory's agent are left to it, and two agents on one do not undo each other", async () => {
    settings.setUp();
    const { agent, ports } = await fixture.startOnPorts();
    await ports.ask("hello x", "hello", () => agent.log);
    await ports.ask("set events sched", "set", () => agent.log);
    const other = await fixture.startOnPorts();
    expect(other.agent.log).not.toContain("restored what");
    await other.ports.ask("hello y", "hello", () => agent.log);
    const refused = await other.ports.ask("set clock mono", "error", () => agent.log);
    expect(refused["error"]).toContain("another trace-agent must still restore settings of");
    expect(settings.now).toMatchObject({ clock: "global" });
  });
});

describe.skipIf(fixture.skipReason !== undefined)("set", () => {
  test("with a name that the guest does not have changes nothing: what was enabled stays enabled", async () => {
    settings.setUp();
    const { directory } = await startInstanceGuest(fixture);
    for (const [option, value] of [
      ["-e", "sched_swich"],
      ["-e", "sched:nosuch*"],
    ] as const) {
      const output = join(fixture.scratch, "mistyped.dat");
      const { code, stderr } = await traceAgent("record", directory, option, value, "-d", "0.3", "-o", output);
      expect(code).not.toBe(0);
      expect(stderr).toContain(`has no event "${value}"; `);
      expect(settings.now).toEqual(settings.before);
      expect(settings.areNoted).toBe(false);
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
