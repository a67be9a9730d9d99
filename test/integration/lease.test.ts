/** A lease: what a host set is restored when nothing is heard of it, and only then. */
import { describe, expect, test } from "bun:test";
import { AgentFixture, sequence } from "../support/agent-fixture.ts";
import { eventually } from "../support/agent-process.ts";
import { findMarkers, writeMarkers } from "../support/markers.ts";
import { SessionSettings } from "../support/session-settings.ts";

const fixture = new AgentFixture("lease");
const { cpus } = fixture;
const settings = new SessionSettings(fixture);
/** None comes while a machine runs. */
const quietEvent = "initcall:initcall_level";

type Running = Awaited<ReturnType<AgentFixture["startOnPorts"]>> & { context: () => string; beginMs: number };

/** A run of a host that has set events, and `further` settings, with a lease of 10 s. `knows`: what it says of itself; none: nothing. */
async function startLeased(knows?: string, ...further: string[]): Promise<Running> {
  settings.setUp();
  const { agent, ports } = await fixture.startOnPorts();
  const context = (): string => agent.log;
  await ports.ask("hello x", "hello", context);
  if (knows !== undefined) await ports.ask(`host ${knows}`, "host", context);
  expect(await ports.ask("set lease 10", "set", context)).toMatchObject({ value: "10", previous: "60" });
  for (const setting of [`events ${quietEvent}`, ...further]) await ports.ask(`set ${setting}`, "set", context);
  const beginMs = performance.now();
  await ports.ask("1", "start", context);
  return { agent, ports, context, beginMs };
}

const areRestored = (context: () => string): Promise<void> =>
  eventually(
    () => settings.areAsBefore,
    "as before",
    () => settings.text + context(),
  );

describe.skipIf(fixture.skipReason !== undefined)("settings of a session with a lease", () => {
  test("are restored when the lease runs out, after what the ports take was handed over", async () => {
    // Each byte that a port takes renews the lease, and a busy machine may write the last markers late.
    const { agent, ports, context, beginMs } = await startLeased("2", "clock mono");
    writeMarkers(fixture.tracefs.path, cpus, 0, 3000);
    const told = await ports.ask("", "error", context);
    expect(told).toMatchObject({ order: "lease", error: "nothing received from the host for 10 s" });
    expect(performance.now() - beginMs).toBeGreaterThan(9900);
    await areRestored(context);
    expect(agent.log).toContain("stopped");
    for (const cpu of cpus) expect(findMarkers(ports.reader(cpu).takeAll(), cpu)).toEqual(sequence(0, 3000));
    expect(await ports.ask("hello x", "hello", context)).toMatchObject({ state: "armed" });
    expect(settings.areNoted).toBe(false);
  }, 300_000);

  test("stay while a data port takes events, though no order comes for longer than the lease", async () => {
    const { ports, context } = await startLeased();
    for (let second = 0; second < 14; second += 2) {
      writeMarkers(fixture.tracefs.path, cpus, second * 10, 20);
      await Bun.sleep(2000);
    }
    expect(fixture.tracefs.read("set_event")).toBe(quietEvent);
    expect(await ports.ask("status", "status", context)).toMatchObject({ state: "running" });
  }, 300_000);

  test("are restored when a host that acknowledges says nothing, though its ports still take events", async () => {
    const { ports, context } = await startLeased("2 ack");
    // As QEMU takes them for a recorder that was killed: MiB, which are hours of a quiet guest.
    let first = 0;
    const write = setInterval(() => writeMarkers(fixture.tracefs.path, cpus, (first += 20), 20), 1000);
    try {
      expect(await ports.ask("", "error", context)).toMatchObject({ order: "lease" });
      await areRestored(context);
    } finally {
      clearInterval(write);
    }
  }, 300_000);

  test("stay while a host acknowledges what it takes, though it sends no other order", async () => {
    const { agent, ports } = await startLeased("2 ack");
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
});
