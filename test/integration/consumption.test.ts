import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { readCpuStats } from "../../src/tracefs/cpu-stats.ts";
import { AgentFixture, sequence } from "../support/agent-fixture.ts";
import { type AgentProcess, eventually } from "../support/agent-process.ts";
import { findMarkers, writeMarkers } from "../support/markers.ts";
import { inLongForm } from "../support/long.ts";
import { inQuickForm } from "../support/quick.ts";
import { threadStatuses } from "../support/threads.ts";

const fixture = new AgentFixture("consumption");
const { cpus } = fixture;
const descriptors = (agent: AgentProcess): number => readdirSync(`/proc/${agent.pid}/fd`).length;

describe.skipIf(fixture.skipReason !== undefined)("what an agent consumes", () => {
  test("an armed agent sleeps: no context switch of a worker in 3 seconds, and few in all", async () => {
    const { agent } = await fixture.startOnPorts();
    // What its start left to do, to the runtime's compiler too, takes a while.
    await quietSecond(agent, 0);
    const before = switches(agent);
    await Bun.sleep(3000);
    const increased = increases(before, switches(agent));
    const workers = increased.filter(({ name }) => name === "Worker");
    expect(workers.length).toBeGreaterThanOrEqual(cpus.length + 1);
    expect(workers.filter(({ count }) => count > 0)).toEqual([]);
    expect(sum(increased)).toBeLessThan(20);
  });

  test.each([500, 50])("a running agent without events wakes once every %i ms, in the control worker", async (ms) => {
    const { agent, ports } = await fixture.startOnPorts();
    ports.order(`set latency_ms ${ms}\n1\n`);
    await agent.says("started");
    await quietSecond(agent, 1);
    const before = switches(agent);
    const begin = performance.now();
    await Bun.sleep(4000);
    const increased = increases(before, switches(agent));
    const seconds = (performance.now() - begin) / 1000;
    const awake = increased.filter(({ name, count }) => name === "Worker" && count > 0);
    expect(awake.length).toBe(1);
    expect(sum(awake)).toBeLessThanOrEqual(Math.ceil(seconds * (1000 / ms) * 1.5 + 4));
    // The runtime's own threads: its compiler is at work some while after the start, in the end one wakes every three seconds.
    expect(sum(increased) - sum(awake)).toBeLessThanOrEqual(100);
  });

  test("where poll wakes at every event, few events wake the workers a few times a second", async () => {
    fixture.tracefs.write("buffer_percent", "0");
    try {
      const { agent, ports } = await fixture.startOnPorts();
      ports.order("1\n");
      await agent.says("started");
      await quietSecond(agent, 1);
      const before = switches(agent);
      const begin = performance.now();
      const count = 300;
      for (let number = 0; number < count; number++) {
        fixture.tracefs.write("trace_marker", `MARK 0 ${number}`);
        await Bun.sleep(10);
      }
      const awake = increases(before, switches(agent)).filter(({ name }) => name === "Worker");
      const seconds = (performance.now() - begin) / 1000;
      // Per check: the control worker; and each CPU's worker at the first event, once more, and for the check.
      expect(sum(awake)).toBeLessThanOrEqual((seconds * 2 + 2) * (1 + 3 * cpus.length));
      ports.order("0\n");
      await agent.says("stopped");
      const numbers = cpus.flatMap((cpu) => findMarkers(ports.reader(cpu).takeAll(), 0));
      expect(numbers.toSorted((a, b) => a - b)).toEqual(sequence(0, count));
    } finally {
      fixture.tracefs.write("buffer_percent", "50");
    }
  });

  test("memory and descriptors stay where they are under a soak at full rate", async () => {
    const seconds = inQuickForm(1, inLongForm(5, 600));
    const { agent, ports } = await fixture.startOnPorts();
    ports.order("1\n");
    await agent.says("started");
    const anonymous = (): number =>
      Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${agent.pid}/status`, "latin1"))?.[1]);
    let first = 0;
    let openAtFirst = 0;
    let received = 0;
    const end = Date.now() + seconds * 1000;
    for (let round = 0; Date.now() < end; round++) {
      writeMarkers(fixture.tracefs.path, cpus, 0, 20_000);
      for (const cpu of cpus) {
        ports.reader(cpu).poll();
        received += ports.reader(cpu).take().length;
      }
      // At the first rounds the runtime still compiles.
      if (round <= 2) [first, openAtFirst] = [anonymous(), descriptors(agent)];
    }
    // A look at the ports may be on its way.
    await eventually(() => descriptors(agent) <= openAtFirst, `${openAtFirst} descriptors are held, as at first`);
    const grown = anonymous() - first;
    ports.order("0\n");
    await agent.says("stopped");
    for (const cpu of cpus) received += ports.reader(cpu).take().length;
    const kernelRead = cpus.reduce((sum, cpu) => sum + (readCpuStats(fixture.tracefs.path, cpu)?.readEvents ?? 0), 0);
    console.error(`soak of ${seconds} s: ${Math.round(received / 1e6)} MB, ${kernelRead} events, ${grown} KiB more`);
    expect(received).toBeGreaterThan(20_000 * cpus.length * "MARK 0 10000".length);
    expect(grown).toBeLessThan(8192);
  }, 700_000);
});
type Switches = Map<string, { name: string; count: number }>;

/** Voluntary context switches by thread. */
function switches(agent: AgentProcess): Switches {
  const counts: Switches = new Map();
  for (const { thread, field } of threadStatuses(agent.pid))
    counts.set(thread, { name: field("Name"), count: Number(field("voluntary_ctxt_switches")) });
  return counts;
}

/** What each thread's count grew by. */
function increases(before: Switches, after: Switches): { name: string; count: number }[] {
  return [...after].map(([thread, { name, count }]) => ({ name, count: count - (before.get(thread)?.count ?? 0) }));
}

const sum = (list: { count: number }[]): number => list.reduce((total, { count }) => total + count, 0);

/** Times that each worker got a CPU, and "R" behind them where it has one or waits for one. */
function turns(agent: AgentProcess): Map<string, string> {
  const workers = threadStatuses(agent.pid).filter(({ field }) => field("Name") === "Worker");
  return new Map(
    workers.map(({ thread, field }) => {
      const count = Number(field("voluntary_ctxt_switches")) + Number(field("nonvoluntary_ctxt_switches"));
      return [thread, `${count}${field("State").startsWith("R") ? "R" : ""}`];
    }),
  );
}

/** Waits for a second in which no more workers wake, or want to; the test that asked for it judges what comes then. */
async function quietSecond(agent: AgentProcess, workersMax: number): Promise<void> {
  for (let tries = 0; tries < 60; tries++) {
    const before = turns(agent);
    await Bun.sleep(1000);
    const awake = [...turns(agent)].filter(([thread, turn]) => turn.endsWith("R") || turn !== before.get(thread));
    if (awake.length <= workersMax) return;
  }
}
