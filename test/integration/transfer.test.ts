import { describe, expect, test } from "bun:test";
import { appendFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { makeFifo } from "../../ffi/pipe.ts";
import { countEvents } from "../../src/ring-buffer/event-count.ts";
import { layoutOf } from "../../src/ring-buffer/sub-buffer.ts";
import { readCpuStats } from "../../src/tracefs/cpu-stats.ts";
import { AgentFixture, noSecondCpu, noSubBufferSize, sequence } from "../support/agent-fixture.ts";
import { type AgentProcess, eventually, executable } from "../support/agent-process.ts";
import { findMarkers, writeMarkers } from "../support/markers.ts";
import { PipeQuota, withinQuota } from "../support/pipe-quota.ts";
import { testUnless } from "../support/test-unless.ts";
import { TracefsInstance } from "../support/tracefs.ts";

const fixture = new AgentFixture("transfer");
const { cpus } = fixture;
const descriptors = (agent: AgentProcess): number => readdirSync(`/proc/${agent.pid}/fd`).length;

describe.skipIf(fixture.skipReason !== undefined)("what a stop hands over", () => {
  test("is the whole ring buffer, also where a slow host let it fill to the last sub-buffer", async () => {
    const { agent, ports } = await fixture.startOnPorts({ paused: true });
    await ports.ask("hello x", "hello", () => agent.log);
    fixture.tracefs.reset(8192);
    await ports.ask("1", "start", () => agent.log);
    // More than FIFO, pipe and ring buffer hold: it overwrites.
    writeMarkers(fixture.tracefs.path, cpus.slice(0, 1), 0, 400_000);
    fixture.tracefs.write("tracing_on", "0");
    expect(readCpuStats(fixture.tracefs.path, 0)?.overrun).toBeGreaterThan(0);
    ports.order("0\n");
    for (const cpu of cpus) ports.reader(cpu).resume();
    await agent.says("stopped");
    expect(readCpuStats(fixture.tracefs.path, 0)?.entries).toBe(0);
    const numbers = findMarkers(ports.reader(0).takeAll(), 0);
    expect(numbers.at(-1)).toBe(399_999);
  });

  testUnless(noSubBufferSize(fixture), "is whole where the pipe is smaller than a sub-buffer", async () => {
    const ports = fixture.makePorts();
    using _quota = new PipeQuota();
    try {
      fixture.tracefs.write("buffer_subbuf_size_kb", "64");
      const agent = fixture.launch(["--ports", ports.path], { through: [...withinQuota, executable] });
      await agent.says("armed: ");
      expect(agent.log).toMatch(/pipe of \d+ KiB, the system allows no larger one/);
      await ports.ask("hello x", "hello", () => agent.log);
      await ports.ask("1", "start", () => agent.log);
      // In small portions, so that partial sub-buffers are sent in between.
      for (let from = 0; from < 3000; from += 1000) {
        writeMarkers(fixture.tracefs.path, cpus, from, 1000);
        for (const cpu of cpus) {
          await eventually(
            () => findMarkers(ports.reader(cpu).peek(), cpu).length === from + 1000,
            "the markers so far",
            () => agent.log,
          );
        }
      }
      await ports.ask("0", "stop", () => agent.log);
      for (const cpu of cpus) {
        const stream = ports.reader(cpu).takeAll();
        expect(stream.length % 65536).toBe(0);
        expect(countEvents(stream, layoutOf(65536, 8))).toMatchObject({ damaged: 0 });
        expect(findMarkers(stream, cpu)).toEqual(sequence(0, 3000));
      }
    } finally {
      fixture.tracefs.write("buffer_subbuf_size_kb", "4");
    }
  });
});

describe.skipIf(fixture.skipReason !== undefined)("a port that is a regular file", () => {
  test("keeps what an earlier agent wrote, and what follows a torn sub-buffer is whole", async () => {
    const [cpu = 0] = cpus;
    const ports = fixture.makePorts({ cpus: [] });
    const file = `${ports.path}/trace-path-cpu${cpu}`;
    writeFileSync(file, "");
    for (let run = 0; run < 3; run++) {
      const agent = fixture.launch(["--ports", ports.path, "--cpus", `${cpu}`]);
      await agent.says("armed: ");
      await ports.ask("hello x", "hello", () => agent.log);
      await ports.ask("1", "start", () => agent.log);
      writeMarkers(fixture.tracefs.path, [cpu], run * 100, 100);
      await ports.ask("0", "stop", () => agent.log);
      await agent.kill();
      appendFileSync(file, "torn");
    }
    const stream = readFileSync(file).subarray(0, -"torn".length);
    expect(countEvents(stream, fixture.layout)).toMatchObject({ damaged: 0 });
    expect(findMarkers(stream, cpu)).toEqual(sequence(0, 300));
  });
});

describe.skipIf(fixture.skipReason !== undefined)("a removed instance", () => {
  test("is an error of each order that needs it, costs no descriptors, and can be made again", async () => {
    const doomed = new TracefsInstance("removed");
    const [first = 0, ...others] = cpus;
    try {
      const ports = fixture.makePorts({ cpus: [first] });
      const agent = fixture.launch(["--ports", ports.path, "--instance", doomed.name], { instance: false });
      await agent.says("armed: ");
      await doomed.remove();
      // Ports that come now are looked at with every order.
      for (const cpu of others) makeFifo(`${ports.path}/trace-path-cpu${cpu}.out`, 0o600);
      const gone = `cannot trace in "${doomed.path}": it was removed; make it again: mkdir ${doomed.path}`;
      const open: number[] = [];
      for (let round = 0; round < 4; round++) {
        for (const order of ["hello y", "1"]) {
          const reply = await ports.ask(order, "error", () => agent.log);
          expect(reply["error"]).toBe(gone);
        }
        const status = await ports.ask("status", "status", () => agent.log);
        // The first one's worker may have met the end of its ring buffer itself, and says so.
        const notServed = (status["notServed"] as { cpu: number }[]).filter(({ cpu }) => cpu !== first);
        expect(notServed).toEqual(others.map((cpu) => ({ cpu, events: 0, reason: gone })));
        open.push(descriptors(agent));
      }
      // A look at the ports may be on its way; what was lost in a round would be lost for good.
      await eventually(
        () => descriptors(agent) <= Math.min(...open),
        "no descriptor is held that was not held after the first round",
        () => `${open.join(" ")}\n${agent.log}`,
      );
      mkdirSync(doomed.path);
      await ports.ask("hello z", "hello", () => agent.log);
      await ports.ask("1", "start", () => agent.log);
      ports.reader(first).take();
      writeMarkers(doomed.path, [first], 0, 100);
      await ports.ask("0", "stop", () => agent.log);
      expect(findMarkers(ports.reader(first).takeAll(), first)).toEqual(sequence(0, 100));
      const status = await ports.ask("status", "status", () => agent.log);
      expect(status["notServed"]).toEqual([]);
      agent.child.kill("SIGTERM");
      expect(await agent.end()).toEqual({ code: 0, signal: null });
    } finally {
      await fixture.release();
      await doomed.remove();
    }
  });
});

describe.skipIf(fixture.skipReason !== undefined)("a CPU that is online and not served", () => {
  const [first = 0, second = 1] = cpus;
  const told = "is told with its events, at stop, in status and in the log; one that --cpus leaves out is not";
  testUnless(noSecondCpu(fixture), told, async () => {
    const ports = fixture.makePorts({ cpus: [first] });
    const agent = fixture.launch(["--ports", ports.path]);
    await agent.says("armed: ");
    const reason = `no data port "trace-path-cpu${second}"`;
    await agent.says(`CPU ${second} is not served, its events stay in its ring buffer: ${reason}`);
    await ports.ask("hello x", "hello", () => agent.log);
    // What lay there before the start is no part of the run.
    writeMarkers(fixture.tracefs.path, [second], 0, 50);
    const armed = await ports.ask("status", "status", () => agent.log);
    expect(armed["notServed"]).toEqual([{ cpu: second, events: 0, reason }]);
    await ports.ask("1", "start", () => agent.log);
    writeMarkers(fixture.tracefs.path, [first, second], 100, 70);
    const running = await ports.ask("status", "status", () => agent.log);
    expect(running["notServed"]).toEqual([{ cpu: second, events: 70, reason }]);
    const stop = await ports.ask("0", "stop", () => agent.log);
    expect(stop["notServed"]).toEqual([{ cpu: second, events: 70, reason }]);
    await agent.says(`warning: CPU ${second}: 70 events are not sent, they stay in its ring buffer (${reason})`);
    await agent.kill();

    const chosen = fixture.launch(["--ports", ports.path, "--cpus", `${first}`]);
    await chosen.says("armed: ");
    await ports.ask("hello x", "hello", () => chosen.log);
    await ports.ask("1", "start", () => chosen.log);
    writeMarkers(fixture.tracefs.path, [second], 0, 10);
    expect((await ports.ask("status", "status", () => chosen.log))["notServed"]).toEqual([]);
    expect((await ports.ask("0", "stop", () => chosen.log))["notServed"]).toEqual([]);
  });

  testUnless(noSecondCpu(fixture), "is told when its worker was given up", async () => {
    const ports = fixture.makePorts({ cpus: [second] });
    symlinkSync("/dev/full", `${ports.path}/trace-path-cpu${first}`);
    const agent = fixture.launch(["--ports", ports.path]);
    await agent.says("armed: ");
    await ports.ask("hello x", "hello", () => agent.log);
    await ports.ask("1", "start", () => agent.log);
    const load = setInterval(() => writeMarkers(fixture.tracefs.path, [first], 0, 100), 100);
    await agent.says(/given up after 3 failures in a row/);
    clearInterval(load);
    writeMarkers(fixture.tracefs.path, [first], 0, 100);
    const stop = await ports.ask("0", "stop", () => agent.log);
    const [told] = stop["notServed"] as { cpu: number; events: number; reason: string }[];
    expect(told).toMatchObject({ cpu: first, reason: expect.stringContaining("ENOSPC") as string });
    expect(told?.events).toBeGreaterThanOrEqual(100);
  });
});
