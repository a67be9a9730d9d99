import { describe, expect, test } from "bun:test";
import { closeSync, openSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { protocolLimits } from "../../src/protocol/limits.ts";
import { timelineLimits } from "../../src/timeline/limits.ts";
import { readCpuStats } from "../../src/tracefs/cpu-stats.ts";
import { countEvents } from "../../src/ring-buffer/event-count.ts";
import { AgentFixture, sequence } from "../support/agent-fixture.ts";
import { eventually } from "../support/agent-process.ts";
import { findMarkers, writeMarkers } from "../support/markers.ts";
import { inQuickForm } from "../support/quick.ts";
import { Random } from "../support/random.ts";
import { testSeed } from "../support/seed.ts";
import { allowedMs, timed } from "../support/timing.ts";
import { inLongForm } from "../support/long.ts";

const fixture = new AgentFixture("agent");
const { cpus, layout } = fixture;
const many = inQuickForm(50_000, 200_000);

describe.skipIf(fixture.skipReason !== undefined)("the agent on a tracefs instance, over FIFOs", () => {
  test("moves nothing while armed, all from start to stop, and nothing more until the next start", async () => {
    const { agent, ports } = await fixture.startOnPorts();
    writeMarkers(fixture.tracefs.path, cpus, 0, 100);
    // Longer than a running agent would wait with them (latency_ms, 500).
    await Bun.sleep(600);
    expect(cpus.map((cpu) => ports.reader(cpu).length)).toEqual(cpus.map(() => 0));
    ports.order("1\n");
    await agent.says("started");
    writeMarkers(fixture.tracefs.path, cpus, 100, 1000);
    ports.order("0\n");
    await agent.says("stopped");
    for (const cpu of cpus) expect(findMarkers(ports.reader(cpu).takeAll(), cpu)).toEqual(sequence(0, 1100));
    writeMarkers(fixture.tracefs.path, cpus, 1100, 100);
    await Bun.sleep(600);
    expect(cpus.map((cpu) => ports.reader(cpu).length)).toEqual(cpus.map(() => 0));
    ports.order("1");
    await eventually(
      () => cpus.every((cpu) => ports.reader(cpu).length > 0),
      "data after the second start",
      () => agent.log,
    );
    expect(agent.ended).toBeUndefined();
  });

  test(`loses nothing and repeats nothing of ${many} markers per CPU with a host that keeps up`, async () => {
    const { agent, ports } = await fixture.startOnPorts();
    fixture.tracefs.write("buffer_size_kb", "16384");
    ports.order("1\n");
    await agent.says("started");
    writeMarkers(fixture.tracefs.path, cpus, 0, many);
    ports.order("0\n");
    await agent.says("stopped");
    for (const cpu of cpus) {
      const stream = ports.reader(cpu).takeAll();
      const numbers = findMarkers(stream, cpu);
      expect(numbers.length).toBe(many);
      expect(numbers.every((number, index) => number === index)).toBe(true);
      expect(stream.length % layout.sizeBytes).toBe(0);
      expect(countEvents(stream, layout)).toMatchObject({ lostEvents: 0, unknownLosses: 0, damaged: 0 });
    }
  });

  test("gives every event of a filled buffer, whole sub-buffers, as many as the kernel counted", async () => {
    writeMarkers(fixture.tracefs.path, cpus, 0, 20_000);
    fixture.tracefs.write("tracing_on", "0");
    const before = cpus.map((cpu) => readCpuStats(fixture.tracefs.path, cpu)?.entries ?? 0);
    const { agent, ports } = await fixture.startOnPorts();
    ports.order("10");
    await agent.says("stopped");
    cpus.forEach((cpu, index) => {
      const stream = ports.reader(cpu).takeAll();
      expect(stream.length % layout.sizeBytes).toBe(0);
      expect(countEvents(stream, layout)).toMatchObject({ events: before[index], damaged: 0 });
      expect(readCpuStats(fixture.tracefs.path, cpu)).toMatchObject({ entries: 0, readEvents: before[index] });
    });
  });

  test.each([500, 50])("brings a lone event to the host within %i ms, without a flood of sub-buffers", async (ms) => {
    const { agent, ports } = await fixture.startOnPorts();
    if (ms !== protocolLimits.latencyMsDefault) ports.order(`set latency_ms ${ms}\n`);
    ports.order("1\n");
    await agent.says("started");
    const arrived = (): number => cpus.reduce((sum, cpu) => sum + ports.reader(cpu).length, 0);
    const count = 5;
    for (let round = 0; round < count; round++) {
      const timing = await timed(async () => {
        fixture.tracefs.write("trace_marker", `MARK 0 ${round}`);
        await eventually(
          () => arrived() >= (round + 1) * layout.sizeBytes,
          "the marker arrives",
          () => agent.log,
        );
      });
      expect(timing.ms).toBeLessThan(allowedMs(ms + timelineLimits.liveHoldMoreMs, timing));
    }
    expect(arrived()).toBe(count * layout.sizeBytes);
    const numbers = cpus.flatMap((cpu) => findMarkers(ports.reader(cpu).take(), 0));
    expect(numbers.sort((a, b) => a - b)).toEqual(sequence(0, count));
  });

  test("brings a lone event after a busy time within 50 ms", async () => {
    const { agent, ports } = await fixture.startOnPorts();
    ports.order("set latency_ms 50\n1\n");
    await agent.says("started");
    const context = (): string => agent.log;
    const count = 2000;
    let marked = 0;
    const received = new Map(cpus.map((cpu) => [cpu, Buffer.alloc(0)]));
    const arrived = (): boolean =>
      cpus.every((cpu) => {
        ports.reader(cpu).poll();
        const all = Buffer.concat([received.get(cpu) ?? Buffer.alloc(0), ports.reader(cpu).take()]);
        received.set(cpu, all);
        return findMarkers(all, cpu).length === marked;
      });
    for (let round = 0; round < 3; round++) {
      writeMarkers(fixture.tracefs.path, cpus, marked, count);
      marked += count;
      await eventually(arrived, "the markers of a busy time", context);
      // So long that each worker has found nothing since.
      await Bun.sleep(200);
      const writers = { ms: 0 };
      const timing = await timed(async () => {
        const begin = performance.now();
        writeMarkers(fixture.tracefs.path, cpus, marked, 1);
        writers.ms = performance.now() - begin;
        marked++;
        await eventually(arrived, "a lone marker of each CPU", context);
      });
      expect(timing.ms - writers.ms).toBeLessThan(allowedMs(50 + timelineLimits.liveHoldMoreMs, timing));
    }
    ports.order("0\n");
    await agent.says("stopped");
  });

  test("counts what a host that does not read makes it lose: written = received + lost, per CPU", async () => {
    const { agent, ports } = await fixture.startOnPorts({ paused: true });
    fixture.tracefs.write("buffer_size_kb", "256");
    ports.order("hello x\n1\n");
    await agent.says("started");
    const count = 60_000;
    writeMarkers(fixture.tracefs.path, cpus, 0, count);
    fixture.tracefs.write("tracing_on", "0");
    const status = await ports.ask("status", "status", () => agent.log);
    expect(status).toMatchObject({ state: "running" });
    for (const cpu of cpus) ports.reader(cpu).resume();
    ports.order("0\n");
    await agent.says("stopped");
    for (const cpu of cpus) {
      const stream = ports.reader(cpu).takeAll();
      const counted = countEvents(stream, layout);
      const overrun = readCpuStats(fixture.tracefs.path, cpu)?.overrun ?? 0;
      const numbers = findMarkers(stream, cpu);
      expect(overrun).toBeGreaterThan(0);
      expect(numbers.length + overrun).toBe(count);
      expect(counted.events).toBe(numbers.length);
      expect(counted.lostEvents + counted.unknownLosses).toBeGreaterThan(0);
      // In order to the last. A worker that had to wait for a CPU has a gap in front of what the port took, too.
      expect(numbers.every((number, index) => index === 0 || number > (numbers[index - 1] ?? 0))).toBe(true);
      expect(numbers.at(-1)).toBe(count - 1);
    }
  });

  test("ends within a second with code 0 and gives back what the host had set, armed, running and stuck", async () => {
    for (const [signal, state] of [
      ["SIGTERM", "armed"],
      ["SIGINT", "running"],
      ["SIGHUP", "stuck"],
    ] as const) {
      fixture.tracefs.reset(256);
      fixture.tracefs.write("set_event", "sched:sched_switch");
      const { agent, ports: directory } = await fixture.startOnPorts({ paused: true });
      await directory.ask("hello x", "hello", () => agent.log);
      await directory.ask("set events irq", "set", () => agent.log);
      await directory.ask("set clock mono", "set", () => agent.log);
      if (state !== "armed") await directory.ask("1", "start", () => agent.log);
      if (state === "stuck") {
        writeMarkers(fixture.tracefs.path, cpus, 0, 60_000);
        // The ports took what they hold; the rest was overwritten in the ring buffer, which is full.
        for (const cpu of cpus) expect(readCpuStats(fixture.tracefs.path, cpu)?.overrun).toBeGreaterThan(0);
      }
      const timing = await timed(async () => {
        agent.child.kill(signal);
        expect(await agent.end()).toEqual({ code: 0, signal: null });
      });
      expect({ state, ms: timing.ms < allowedMs(1000, timing) ? "in time" : timing }).toEqual({ state, ms: "in time" });
      expect(fixture.tracefs.read("set_event")).toBe("sched:sched_switch");
      expect(fixture.tracefs.read("trace_clock")).toContain("[local]");
      for (const cpu of cpus) directory.reader(cpu).poll();
    }
  });

  test("answers hello, status, metadata, set and unknown orders, each with one line", async () => {
    const { agent, ports } = await fixture.startOnPorts();
    const context = (): string => agent.log;
    const hello = await ports.ask("hello n-1", "hello", context);
    expect(hello).toMatchObject({
      nonce: "n-1",
      protocol: 1,
      words: expect.arrayContaining(["host", "lease", "frames", "latency_ms", "ack"]),
      state: "armed",
      subBufferSize: layout.sizeBytes,
      longSize: 8,
    });
    expect(hello["cpus"]).toEqual(cpus.map((cpu) => ({ cpu, port: "open", state: "armed", bytes: 0 })));
    const start = await ports.ask("1", "start", context);
    expect(start["streams"]).toEqual(cpus.map((cpu) => ({ cpu, bytes: 0, time: expect.stringMatching(/^\d+$/) })));
    writeMarkers(fixture.tracefs.path, cpus, 0, 10);
    const stop = await ports.ask("0", "stop", context);
    for (const cpu of cpus) ports.reader(cpu).poll();
    expect(stop["streams"]).toEqual(cpus.map((cpu) => ({ cpu, bytes: ports.reader(cpu).length, lostBytes: 0 })));
    expect(await ports.ask("set buffer_size_kb lots", "error", context)).toMatchObject({ order: "set" });
    expect(await ports.ask("frobnicate", "error", context)).toMatchObject({
      order: "frobnicate",
      error: "no such order",
    });
    ports.order("metadata\n");
    let told = "";
    // The body may come with its line, in one read.
    await eventually(
      () =>
        /^\{"reply":"metadata",.*"encoding":"gzip".*\n[^]{1000}/m.test(
          (told += ports.replies.take().toString("latin1")),
        ),
      "the metadata's line, and their body begins",
      () => told.slice(0, 200) + context(),
    );
  });

  test("start and stop a thousand times in a row change nothing in the end, and no event is lost over them", async () => {
    const { agent, ports } = await fixture.startOnPorts();
    ports.order("1\n0\n".repeat(500));
    writeMarkers(fixture.tracefs.path, cpus, 0, 5000);
    ports.order("10".repeat(500));
    const stop = await ports.ask("hello end", "hello", () => agent.log);
    expect(stop).toMatchObject({ nonce: "end" });
    await ports.ask("1", "start", () => agent.log);
    await ports.ask("0", "stop", () => agent.log);
    for (const cpu of cpus) expect(findMarkers(ports.reader(cpu).takeAll(), cpu)).toEqual(sequence(0, 5000));
    const open = readdirSync(`/proc/${agent.pid}/fd`).length;
    await ports.ask("1", "start", () => agent.log);
    await ports.ask("0", "stop", () => agent.log);
    // A look at the ports may be on its way.
    await eventually(() => readdirSync(`/proc/${agent.pid}/fd`).length <= open, "no descriptor more is held");
  });

  test("a flood of random bytes into the control port neither ends it nor grows it, and the next order counts", async () => {
    const { agent, ports } = await fixture.startOnPorts();
    const megabytes = inQuickForm(5, inLongForm(16, 1024));
    /** Of 64 KiB; behind these the agent has what it needs. */
    const firstPieces = inQuickForm(16, 60);
    const flood = openSync(join(ports.path, "agent-ctl-path.in"), "w");
    const noise = Buffer.alloc(1 << 16);
    const random = new Random(testSeed);
    const memory = (): number =>
      Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${agent.pid}/status`, "latin1"))?.[1]);
    let afterFirst = 0;
    for (let n = 0; n < megabytes * 16; n++) {
      // Lines that begin with 1 or 0 are orders, and meant to be: the noise has none.
      for (let i = 0; i < noise.length; i++) noise[i] = nextNoise(random);
      writeSync(flood, noise);
      await Bun.sleep(0);
      if (n === firstPieces) afterFirst = memory();
    }
    closeSync(flood);
    ports.order("\n");
    expect(await ports.ask("hello after", "hello", () => agent.log)).toMatchObject({ nonce: "after", state: "armed" });
    expect(memory() - afterFirst).toBeLessThan(32 * 1024);
  }, 600_000);
});

function nextNoise(random: Random): number {
  const byte = random.below(256);
  return byte === 0x30 || byte === 0x31 ? 0x32 : byte;
}
