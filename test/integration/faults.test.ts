import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readCpuStats } from "../../src/kernel/cpu-stats.ts";
import { countEvents } from "../../src/kernel/event-count.ts";
import { layoutOf } from "../../src/kernel/sub-buffer.ts";
import { AgentFixture, sequence } from "../support/agent-fixture.ts";
import { type AgentProcess, eventually, executable, type PortDirectory } from "../support/agent-process.ts";
import { TracefsInstance } from "../support/tracefs.ts";
import { findMarkers, writeMarkers } from "../support/markers.ts";

/** Prints the fault, what was expected and what was seen: the table that a person reads. */
function row(fault: string, expected: string, seen: string): void {
  console.error(`fault: ${fault} | expected: ${expected} | seen: ${seen}`);
}

const fixture = new AgentFixture("faults");
const { cpus, layout } = fixture;
const descriptors = (agent: AgentProcess): number => readdirSync(`/proc/${agent.pid}/fd`).length;
const lastLine = (agent: AgentProcess, pattern: RegExp): string => agent.log.split("\n").findLast((line) => pattern.test(line)) ?? "nothing";

async function recordMarkers(agent: AgentProcess, ports: PortDirectory, from: number, count: number): Promise<Buffer[]> {
  await ports.ask("1", "start", () => agent.log);
  writeMarkers(fixture.tracefs.path, cpus, from, count);
  await ports.ask("0", "stop", () => agent.log);
  await Bun.sleep(100);
  return cpus.map((cpu) => ports.reader(cpu).take());
}

describe.skipIf(fixture.skipReason !== undefined)("faults", () => {
  test("killed with SIGKILL in any state and started again, 30 rounds under load", async () => {
    const rounds = process.env["TRACE_AGENT_LONG_TESTS"] === undefined ? 30 : 100;
    const ports = fixture.makePorts();
    const load = setInterval(() => writeMarkers(fixture.tracefs.path, [0], 0, 500), 50);
    try {
      for (let round = 0; round < rounds; round++) {
        const agent = fixture.launch(["--ports", ports.path]);
        await agent.says("armed: ");
        if (round % 3 > 0) ports.order("1\n");
        if (round % 3 === 2) await agent.says("started");
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
    cpus.forEach((cpu, index) => expect(findMarkers(streams[index] ?? Buffer.alloc(0), cpu).slice(-100)).toEqual(sequence(0, 100)));
    row(`SIGKILL, ${rounds} rounds`, "whole sub-buffers, works again", "as expected");
  });

  test("a slow reader of one CPU does not hold up the others", async () => {
    if (cpus.length < 2) return;
    const { agent, ports } = await fixture.startOnPorts({ paused: true });
    await ports.ask("hello x", "hello", () => agent.log);
    for (const cpu of cpus.slice(1)) ports.reader(cpu).resume();
    ports.order("1\n");
    await agent.says("started");
    writeMarkers(fixture.tracefs.path, [0], 0, 30_000);
    writeMarkers(fixture.tracefs.path, cpus.slice(1), 0, 10_000);
    fixture.tracefs.write("tracing_on", "0");
    for (const cpu of cpus.slice(1)) {
      await eventually(() => findMarkers(ports.reader(cpu).peek(), cpu).length === 10_000, "the other CPU's markers", () => agent.log);
    }
    expect(ports.reader(0).length).toBe(0);
    ports.reader(0).resume();
    ports.order("0\n");
    await agent.says("stopped");
    row("one CPU's reader sleeps", "others go on", "as expected");
  });

  test("buffer resized, tracing_on toggled, events switched while it runs: it continues", async () => {
    const { agent, ports } = await fixture.startOnPorts();
    await ports.ask("hello x", "hello", () => agent.log);
    ports.order("1\n");
    await agent.says("started");
    let next = 0;
    for (const [name, value] of [["buffer_size_kb", "64"], ["buffer_size_kb", "4096"], ["tracing_on", "0"], ["tracing_on", "1"], ["set_event", "irq"], ["set_event", ""]] as const) {
      // What lies in the buffer when it is resized is the kernel's to drop.
      await Bun.sleep(550);
      fixture.tracefs.write(name, value);
      if (name === "tracing_on" && value === "0") continue;
      writeMarkers(fixture.tracefs.path, cpus, next, 200);
      next += 200;
    }
    await ports.ask("0", "stop", () => agent.log);
    await Bun.sleep(100);
    for (const cpu of cpus) expect(findMarkers(ports.reader(cpu).take(), cpu)).toEqual(sequence(0, next));
    row("buffer, tracing_on, events changed", "continues, nothing lost", "as expected");
  });

  test("sub-buffer size changed while it runs: the stream goes on with whole sub-buffers of the new size", async () => {
    if (!existsSync(`${fixture.tracefs.path}/buffer_subbuf_size_kb`)) return;
    const { agent, ports } = await fixture.startOnPorts();
    await ports.ask("hello x", "hello", () => agent.log);
    for (const kb of [8, 64, 4]) {
      await ports.ask("1", "start", () => agent.log);
      for (const cpu of cpus) ports.reader(cpu).take();
      writeMarkers(fixture.tracefs.path, cpus, 0, 50);
      // All of the old size has arrived before the size is changed: what is read then is of the new one.
      for (const cpu of cpus) {
        await eventually(() => findMarkers(ports.reader(cpu).peek(), cpu).length === 50, "the markers before", () => agent.log);
      }
      fixture.tracefs.write("buffer_subbuf_size_kb", `${kb}`);
      for (const cpu of cpus) ports.reader(cpu).take();
      const streams = await recordMarkers(agent, ports, 1000, 3000);
      cpus.forEach((cpu, index) => {
        const stream = streams[index] ?? Buffer.alloc(0);
        expect(stream.length % (kb * 1024)).toBe(0);
        expect(countEvents(stream, layoutOf(kb * 1024, 8))).toMatchObject({ damaged: 0 });
        const numbers = findMarkers(stream, cpu);
        expect({ first: numbers[0], last: numbers.at(-1), count: numbers.length }).toEqual({ first: 1000, last: 3999, count: 3000 });
      });
      row(`sub-buffer size set to ${kb} KiB`, "whole sub-buffers of it", "as expected");
    }
  });

  test("too few descriptors: says how many are needed, and ends with code 69", async () => {
    const ports = fixture.makePorts();
    const limited = Bun.spawn(["prlimit", "--nofile=24", executable, "--instance", fixture.tracefs.name, "--ports", ports.path], {
      stderr: "pipe",
      stdout: "ignore",
    });
    const timer = setTimeout(() => limited.kill("SIGTERM"), 1500);
    const text = await new Response(limited.stderr).text();
    clearTimeout(timer);
    row("RLIMIT_NOFILE 24", "words, code 69", text.trim());
    expect(text).toContain("with 24 file descriptors");
    expect(await limited.exited).toBe(69);
  });

  test("the system allows no large pipes: smaller ones are used, with a warning, and nothing is lost", async () => {
    const soft = "/proc/sys/fs/pipe-user-pages-soft";
    const before = readFileSync(soft, "latin1").trim();
    const ports = fixture.makePorts();
    // Without CAP_SYS_RESOURCE (and CAP_SYS_ADMIN) the limit counts for root too.
    writeFileSync(soft, "64");
    try {
      const args = ["--bounding-set", "-sys_resource,-sys_admin", "--inh-caps", "-sys_resource,-sys_admin", executable];
      const agent = fixture.launch(["--ports", ports.path], { through: ["setpriv", ...args] });
      await agent.says("armed: ");
      expect(agent.log).toMatch(/pipe of \d+ KiB, the system allows no larger one/);
      await ports.ask("hello x", "hello", () => agent.log);
      const streams = await recordMarkers(agent, ports, 0, 5000);
      cpus.forEach((cpu, index) => expect(findMarkers(streams[index] ?? Buffer.alloc(0), cpu)).toEqual(sequence(0, 5000)));
      row("pipe-user-pages-soft exhausted", "smaller pipes, a warning", lastLine(agent, /pipe of/));
    } finally {
      writeFileSync(soft, before);
    }
  });

  test("SIGUSR1 logs the books of every CPU", async () => {
    const { agent } = await fixture.startOnPorts();
    agent.child.kill("SIGUSR1");
    for (const cpu of cpus) await agent.says(new RegExp(`CPU ${cpu}: armed, port open, 0 bytes in 0 sub-buffers sent, 0 events lost`));
    expect(agent.ended).toBeUndefined();
  });

  test("the instance is removed while armed: a start says what is missing, and the agent lives", async () => {
    const doomed = new TracefsInstance("doomed");
    const ports = fixture.makePorts();
    const agent = fixture.launch(["--ports", ports.path, "--instance", doomed.name], { instance: false });
    await agent.says("armed: ");
    await doomed.remove();
    ports.order("1\n");
    for (const cpu of cpus) await agent.says(new RegExp(`CPU ${cpu}(: worker failed| is not served).*(ENOENT|no such file)`, "i"));
    expect(agent.ended).toBeUndefined();
    row("instance removed", "words, no death", lastLine(agent, /warning|error/));
    agent.child.kill("SIGTERM");
    expect(await agent.end()).toEqual({ code: 0, signal: null });
  });

  test("a worker that keeps failing is parked after three tries, reported, and the others go on", async () => {
    if (cpus.length < 2) return;
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
    await Bun.sleep(100);
    for (const cpu of cpus.slice(1)) expect(findMarkers(ports.reader(cpu).take(), cpu)).toEqual(sequence(0, 1000));
    const status = await ports.ask("status", "status", () => agent.log);
    expect(status["cpus"]).toMatchObject([{ cpu: 0, state: "failed", restarts: 3 }, { cpu: 1, state: "armed", restarts: 0 }]);
    row("port of CPU 0 fails at every write", "given up after 3 tries, others go on", lastLine(agent, /given up/));
  });

  test("an armed agent sleeps: no context switch of a CPU worker in 3 seconds, and few in all", async () => {
    const { agent } = await fixture.startOnPorts();
    await Bun.sleep(500);
    const before = switches(agent);
    await Bun.sleep(3000);
    const after = switches(agent);
    const all = [...after].reduce((sum, [thread, count]) => sum + count - (before.get(thread) ?? 0), 0);
    row("armed for 3 s", "no wake-ups to speak of", `${all} context switches in all threads`);
    expect(all).toBeLessThan(20);
  });

  test("a running agent without events wakes each worker no more than 3 times a second", async () => {
    const { agent, ports } = await fixture.startOnPorts();
    ports.order("1\n");
    await agent.says("started");
    await Bun.sleep(1500);
    const before = switches(agent);
    await Bun.sleep(4000);
    const perThread = [...switches(agent)].map(([thread, count]) => count - (before.get(thread) ?? 0)).sort((a, b) => b - a);
    const all = perThread.reduce((sum, count) => sum + count, 0);
    row("running without events for 4 s", `at most ${3 * 4} of each worker and a few of the runtime`, `${perThread.join(", ")} context switches`);
    expect(perThread[0]).toBeLessThanOrEqual(3 * 4);
    // The runtime's own threads: some while after the start, in the end one every three seconds.
    expect(all).toBeLessThanOrEqual(3 * 4 * cpus.length + 20);
  });

  test("memory and descriptors stay where they are under a soak at full rate", async () => {
    const seconds = process.env["TRACE_AGENT_LONG_TESTS"] === undefined ? 5 : 600;
    const { agent, ports } = await fixture.startOnPorts();
    ports.order("1\n");
    await agent.says("started");
    const anonymous = (): number => Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${agent.pid}/status`, "latin1"))?.[1]);
    let first = 0;
    let received = 0;
    const end = Date.now() + seconds * 1000;
    for (let round = 0; Date.now() < end; round++) {
      writeMarkers(fixture.tracefs.path, cpus, 0, 20_000);
      for (const cpu of cpus) {
        ports.reader(cpu).poll();
        received += ports.reader(cpu).take().length;
      }
      if (round === 2) first = anonymous();
    }
    const open = descriptors(agent);
    const grown = anonymous() - first;
    ports.order("0\n");
    await agent.says("stopped");
    for (const cpu of cpus) received += ports.reader(cpu).take().length;
    const kernelRead = cpus.reduce((sum, cpu) => sum + (readCpuStats(fixture.tracefs.path, cpu)?.readEvents ?? 0), 0);
    row(`soak of ${seconds} s`, "flat", `${Math.round(received / 1e6)} MB, ${kernelRead} events, ${grown} KiB more, ${open} descriptors`);
    expect(grown).toBeLessThan(8192);
  }, 700_000);
});

/** Voluntary and other context switches by thread. */
function switches(agent: AgentProcess): Map<string, number> {
  const counts = new Map<string, number>();
  for (const thread of readdirSync(`/proc/${agent.pid}/task`)) {
    const status = readFileSync(`/proc/${agent.pid}/task/${thread}/status`, "latin1");
    const [total] = [...status.matchAll(/^voluntary_ctxt_switches:\s+(\d+)/gm)].map(([, count]) => Number(count));
    counts.set(thread, total ?? 0);
  }
  return counts;
}
