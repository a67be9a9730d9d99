import { describe, expect, test } from "bun:test";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { readCpuStats } from "../../src/tracefs/cpu-stats.ts";
import { countEvents } from "../../src/ring-buffer/event-count.ts";
import { layoutOf } from "../../src/ring-buffer/sub-buffer.ts";
import { AgentFixture, noSecondCpu, noSubBufferSize, sequence } from "../support/agent-fixture.ts";
import { type AgentProcess, eventually, executable, type PortDirectory } from "../support/agent-process.ts";
import { PipeQuota, withinQuota } from "../support/pipe-quota.ts";
import { testUnless } from "../support/test-unless.ts";
import { findMarkers, writeMarkers } from "../support/markers.ts";
import { inLongForm } from "../support/long.ts";
import { inQuickForm } from "../support/quick.ts";

const fixture = new AgentFixture("faults");
const { cpus, layout } = fixture;

async function recordMarkers(
  agent: AgentProcess,
  ports: PortDirectory,
  from: number,
  count: number,
): Promise<Buffer[]> {
  await ports.ask("1", "start", () => agent.log);
  writeMarkers(fixture.tracefs.path, cpus, from, count);
  await ports.ask("0", "stop", () => agent.log);
  return cpus.map((cpu) => ports.reader(cpu).takeAll());
}

describe.skipIf(fixture.skipReason !== undefined)("faults", () => {
  const rounds = inQuickForm(3, inLongForm(8, 100));
  test(`killed with SIGKILL in any state and started again, ${rounds} rounds under load`, async () => {
    const ports = fixture.makePorts();
    const load = setInterval(() => writeMarkers(fixture.tracefs.path, [0], 0, 500), 50);
    try {
      for (let round = 0; round < rounds; round++) {
        const agent = fixture.launch(["--ports", ports.path]);
        await agent.says("armed: ");
        if (round % 3 > 0) ports.order("1\n");
        if (round % 3 === 2) {
          const before = ports.reader(0).length;
          await agent.says("started");
          await eventually(
            () => ports.reader(0).length > before,
            "it moves data",
            () => agent.log,
          );
        }
        await Bun.sleep(round % 7);
        await agent.kill();
      }
    } finally {
      clearInterval(load);
    }
    for (const cpu of cpus) {
      ports.reader(cpu).poll();
      const stream = ports.reader(cpu).take();
      expect(stream.length % layout.sizeBytes).toBe(0);
      expect(countEvents(stream, layout)).toMatchObject({ damaged: 0 });
    }
    const agent = fixture.launch(["--ports", ports.path]);
    await agent.says("armed: ");
    await ports.ask("hello x", "hello", () => agent.log);
    fixture.tracefs.write("trace", "");
    const streams = await recordMarkers(agent, ports, 0, 100);
    cpus.forEach((cpu, index) =>
      expect(findMarkers(streams[index] ?? Buffer.alloc(0), cpu).slice(-100)).toEqual(sequence(0, 100)),
    );
  });

  testUnless(noSecondCpu(fixture), "a slow reader of one CPU does not hold up the others", async () => {
    fixture.tracefs.write("buffer_size_kb", "8192");
    const slowCount = 100_000;
    const { agent, ports } = await fixture.startOnPorts({ paused: true });
    await ports.ask("hello x", "hello", () => agent.log);
    for (const cpu of cpus.slice(1)) ports.reader(cpu).resume();
    ports.order("1\n");
    await agent.says("started");
    writeMarkers(fixture.tracefs.path, [0], 0, slowCount);
    writeMarkers(fixture.tracefs.path, cpus.slice(1), 0, 10_000);
    fixture.tracefs.write("tracing_on", "0");
    for (const cpu of cpus.slice(1)) {
      await eventually(
        () => findMarkers(ports.reader(cpu).peek(), cpu).length === 10_000,
        "the other CPU's markers",
        () => agent.log,
      );
    }
    // The first CPU's port took what it holds, and the rest waits in the ring buffer.
    expect(readCpuStats(fixture.tracefs.path, 0)?.entries).toBeGreaterThan(0);
    ports.reader(0).resume();
    ports.order("0\n");
    await agent.says("stopped");
    expect(findMarkers(ports.reader(0).takeAll(), 0)).toEqual(sequence(0, slowCount));
  });

  test("buffer resized, tracing_on toggled, events switched while it runs: it continues", async () => {
    const { agent, ports } = await fixture.startOnPorts();
    await ports.ask("hello x", "hello", () => agent.log);
    ports.order("1\n");
    await agent.says("started");
    let next = 0;
    for (const [name, value] of [
      ["buffer_size_kb", "64"],
      ["buffer_size_kb", "4096"],
      ["tracing_on", "0"],
      ["tracing_on", "1"],
      ["set_event", "irq"],
      ["set_event", ""],
    ] as const) {
      // What lies in the buffer when it is resized is the kernel's to drop.
      for (const cpu of cpus) {
        await eventually(
          () => findMarkers(ports.reader(cpu).peek(), cpu).length === next,
          `${next} markers of CPU ${cpu}`,
          () => agent.log,
        );
      }
      fixture.tracefs.write(name, value);
      if (name === "tracing_on" && value === "0") continue;
      writeMarkers(fixture.tracefs.path, cpus, next, 200);
      next += 200;
    }
    await ports.ask("0", "stop", () => agent.log);
    for (const cpu of cpus) expect(findMarkers(ports.reader(cpu).takeAll(), cpu)).toEqual(sequence(0, next));
  });

  const resized = "sub-buffer size changed while it runs: the stream goes on with whole sub-buffers of the new size";
  testUnless(noSubBufferSize(fixture), resized, async () => {
    const { agent, ports } = await fixture.startOnPorts();
    await ports.ask("hello x", "hello", () => agent.log);
    for (const kb of [8, 64, 4]) {
      await ports.ask("1", "start", () => agent.log);
      for (const cpu of cpus) ports.reader(cpu).take();
      writeMarkers(fixture.tracefs.path, cpus, 0, 50);
      // All of the old size has arrived before the size is changed: what is read then is of the new one.
      for (const cpu of cpus) {
        await eventually(
          () => findMarkers(ports.reader(cpu).peek(), cpu).length === 50,
          "the markers before",
          () => agent.log,
        );
      }
      fixture.tracefs.write("buffer_subbuf_size_kb", `${kb}`);
      for (const cpu of cpus) ports.reader(cpu).take();
      const streams = await recordMarkers(agent, ports, 1000, 3000);
      cpus.forEach((cpu, index) => {
        const stream = streams[index] ?? Buffer.alloc(0);
        expect(stream.length % (kb * 1024)).toBe(0);
        expect(countEvents(stream, layoutOf(kb * 1024, 8))).toMatchObject({ damaged: 0 });
        const numbers = findMarkers(stream, cpu);
        expect({ first: numbers[0], last: numbers.at(-1), count: numbers.length }).toEqual({
          first: 1000,
          last: 3999,
          count: 3000,
        });
      });
    }
  });

  test("too few descriptors: says how many are needed, and ends with code 69", async () => {
    const ports = fixture.makePorts();
    const limited = Bun.spawn(
      ["prlimit", "--nofile=24", executable, "--instance", fixture.tracefs.name, "--ports", ports.path],
      {
        stderr: "pipe",
        stdout: "ignore",
      },
    );
    const timer = setTimeout(() => limited.kill("SIGTERM"), 240_000);
    const text = await new Response(limited.stderr).text();
    clearTimeout(timer);
    expect(text).toContain("with 24 file descriptors");
    expect(await limited.exited).toBe(69);
  });

  test("descriptors that were open at the start count against the limit", async () => {
    const ports = fixture.makePorts();
    const open30 = 'for fd in $(seq 10 39); do eval "exec $fd</dev/null"; done; ulimit -n 60; exec "$@"';
    const command = ["bash", "-c", open30, "bash", executable, "--instance", fixture.tracefs.name];
    const limited = Bun.spawn([...command, "--ports", ports.path], { stderr: "pipe", stdout: "ignore" });
    const timer = setTimeout(() => limited.kill("SIGTERM"), 240_000);
    const text = await new Response(limited.stderr).text();
    clearTimeout(timer);
    expect(text).toMatch(/with 60 file descriptors \(3\d were open at the start\): \d+ are needed; raise the limit/);
    expect(await limited.exited).toBe(69);
  });

  test("the system allows no large pipes: smaller ones are used, with a warning, and nothing is lost", async () => {
    const ports = fixture.makePorts();
    using _quota = new PipeQuota();
    const agent = fixture.launch(["--ports", ports.path], { through: [...withinQuota, executable] });
    await agent.says("armed: ");
    expect(agent.log).toMatch(/pipe of \d+ KiB, the system allows no larger one/);
    await ports.ask("hello x", "hello", () => agent.log);
    const streams = await recordMarkers(agent, ports, 0, 5000);
    cpus.forEach((cpu, index) =>
      expect(findMarkers(streams[index] ?? Buffer.alloc(0), cpu)).toEqual(sequence(0, 5000)),
    );
  });

  test("SIGUSR1 logs the accounting of every CPU", async () => {
    const { agent } = await fixture.startOnPorts();
    agent.child.kill("SIGUSR1");
    for (const cpu of cpus)
      await agent.says(new RegExp(`CPU ${cpu}: armed, port open, 0 bytes in 0 sub-buffers sent, 0 events lost`));
    expect(agent.ended).toBeUndefined();
  });

  const parked = "a worker that keeps failing is parked after three tries, reported, and the others go on";
  testUnless(noSecondCpu(fixture), parked, async () => {
    const directory = join(fixture.scratch, "full");
    mkdirSync(directory);
    const ports = fixture.makePorts({ cpus: cpus.slice(1) });
    symlinkSync("/dev/full", join(ports.path, "trace-path-cpu0"));
    const agent = fixture.launch(["--ports", ports.path]);
    await agent.says("armed: ");
    await ports.ask("hello x", "hello", () => agent.log);
    ports.order("1\n");
    await agent.says("started");
    const load = setInterval(() => writeMarkers(fixture.tracefs.path, [0], 0, 100), 100);
    await agent.says(/CPU 0: given up after 3 failures in a row, the others go on \(port: .*ENOSPC/);
    clearInterval(load);
    writeMarkers(fixture.tracefs.path, cpus.slice(1), 0, 1000);
    ports.order("0\n");
    await agent.says("stopped");
    for (const cpu of cpus.slice(1)) expect(findMarkers(ports.reader(cpu).takeAll(), cpu)).toEqual(sequence(0, 1000));
    const status = await ports.ask("status", "status", () => agent.log);
    expect(status["cpus"]).toMatchObject(
      cpus.map((cpu) => (cpu === 0 ? { cpu, state: "failed", restarts: 3 } : { cpu, state: "armed", restarts: 0 })),
    );
  });
});
