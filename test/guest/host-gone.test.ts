/** The host is slow, absent or gone, and the guest does not notice: over FIFOs (a reader that sleeps) and sockets (a client that leaves). */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { countEvents } from "../../src/kernel/event-count.ts";
import { layoutOf } from "../../src/kernel/sub-buffer.ts";
import { parseCpuStats } from "../../src/kernel/cpu-stats.ts";
import { executable } from "../support/agent-process.ts";
import { describeWithGuest, guestTestTimeoutMs } from "../support/describe-guest.ts";
import type { Guest, GuestProcess } from "../support/guest-handle.ts";
import { HostEnds } from "../support/host-ends.ts";
import { markerProgram } from "../support/marker-program.ts";
import { findMarkers } from "../support/markers.ts";

const tracing = "/sys/kernel/tracing";
const layout = layoutOf(4096, 8);
const cpus = [0, 1];
const files = { "/bin/trace-agent": executable, "/bin/markers": markerProgram() };
const long = process.env["TRACE_AGENT_LONG_TESTS"] !== undefined;

const freeKb = async (guest: Guest): Promise<number> => Number(await guest.text("sed -n 's/^MemAvailable: *\\([0-9]*\\).*/\\1/p' /proc/meminfo"));
/** CPU time of a process in clock ticks of 10 ms. */
const cpuTicks = async (guest: Guest, pid: number): Promise<number> => Number(await guest.text(`awk '{print $14+$15}' /proc/${pid}/stat`));
const statistics = async (guest: Guest, cpu: number): Promise<ReturnType<typeof parseCpuStats>> =>
  parseCpuStats(await guest.text(`cat ${tracing}/per_cpu/cpu${cpu}/stats`));
const fresh = (guest: Guest): Promise<unknown> =>
  guest.run(`cd ${tracing}; echo 0 >tracing_on; : >set_event; echo 2048 >buffer_size_kb; : >trace; echo 1 >tracing_on`);

await describeWithGuest("a guest whose host does not read", { kernel: "6.12", cpus: 2, memoryMb: 640, files }, (guest) => {
  let agent: GuestProcess;
  let ends: HostEnds;
  beforeAll(async () => {
    agent = await guest().spawn("exec trace-agent");
    await agent.says("armed: ");
    ends = new HostEnds(guest().directory, { cpus, paused: true });
  }, guestTestTimeoutMs);
  afterAll(() => ends?.close());

  test("goes on, holds little memory for it, spends no CPU on it; then every event was received or reported lost", async () => {
    const seconds = long ? 60 : 15;
    await fresh(guest());
    await ends.ask("hello x", "hello");
    await ends.ask("1", "start");
    await guest().run(`echo 1 >${tracing}/events/raw_syscalls/enable`);
    const before = { kb: await freeKb(guest()) };
    const work = "for n in 1 2; do dd if=/dev/zero of=/dev/null bs=1 count=100000000 & done";
    await guest().run(`(${work}) >/dev/null 2>&1; sleep 3`);
    const ticks = await cpuTicks(guest(), agent.pid);
    // The guest's own clock paces this: a guest that stood still would show missing beats.
    const beats = await guest().text(`for n in $(seq ${seconds * 2}); do usleep 500000; cut -d' ' -f1 /proc/uptime; done`, { timeoutMs: 170_000 });
    const spent = (await cpuTicks(guest(), agent.pid)) - ticks;
    const held = before.kb - (await freeKb(guest()));
    await guest().run(`killall dd; echo 0 >${tracing}/tracing_on`);
    const times = beats.split("\n").map(Number);
    const slowest = Math.max(...times.slice(1).map((time, index) => time - (times[index] ?? time)));
    console.error(`silent host for ${seconds} s: ${held} KiB held, ${spent} ticks of 10 ms spent, slowest heartbeat ${slowest.toFixed(2)} s`);
    expect(held).toBeLessThan(2 * 10 * 1024 + 8 * 1024);
    expect(spent).toBeLessThan(seconds * 100 * 0.05);
    expect(slowest).toBeLessThan(3);

    for (const reader of ends.readers) reader.resume();
    await ends.ask("0", "stop");
    await ends.silence();
    for (const cpu of cpus) {
      const stream = ends.reader(cpu).take();
      const counted = countEvents(stream, layout);
      const stats = await statistics(guest(), cpu);
      expect(stats.overrun).toBeGreaterThan(0);
      expect(stats.entries).toBe(0);
      expect(counted).toMatchObject({ damaged: 0, events: stats.readEvents });
      if (counted.unknownLosses === 0) expect(counted.lostEvents).toBe(stats.overrun + stats.commitOverrun + stats.droppedEvents);
      else expect(counted.lostEvents).toBeLessThanOrEqual(stats.overrun + stats.commitOverrun + stats.droppedEvents);
    }
  }, guestTestTimeoutMs);

  test("is paused and resumed (QMP stop, cont) and its clock set, and nothing is lost", async () => {
    await fresh(guest());
    await ends.ask("1", "start");
    const writer = await guest().spawn(`exec markers ${tracing}/trace_marker 0 0 3000 1000`);
    await Bun.sleep(500);
    await guest().qmp.execute("stop");
    await Bun.sleep(2000);
    await guest().qmp.execute("cont");
    await guest().run("date -s 2030-01-01 >/dev/null");
    expect(await writer.exitCode()).toBe(0);
    await ends.ask("0", "stop");
    await ends.silence();
    expect(findMarkers(ends.reader(0).take(), 0)).toHaveLength(3000);
    ends.reader(1).take();
  }, guestTestTimeoutMs);

  test("has its tracer changed while armed; while running the kernel refuses it, and the stream goes on", async () => {
    await fresh(guest());
    await guest().run(`cd ${tracing}; echo function >current_tracer; echo nop >current_tracer`);
    await ends.ask("1", "start");
    const { code } = await guest().run(`echo function >${tracing}/current_tracer`, { mayFail: true });
    await guest().run(`echo 1 >${tracing}/tracing_on; markers ${tracing}/trace_marker 0 0 100`);
    await ends.ask("0", "stop");
    await ends.silence();
    await guest().run(`echo nop >${tracing}/current_tracer`);
    console.error(`tracer changed while running: exit code ${code}`);
    expect(findMarkers(ends.reader(0).take(), 0)).toEqual(Array.from({ length: 100 }, (_, index) => index));
    ends.reader(1).take();
  }, guestTestTimeoutMs);

  test("takes a CPU offline and online again, armed and running, and the agent follows", async () => {
    await fresh(guest());
    const offline = `echo 0 >/sys/devices/system/cpu/cpu1/online`;
    const online = `echo 1 >/sys/devices/system/cpu/cpu1/online`;
    for (const state of ["armed", "running"]) {
      if (state === "running") await ends.ask("1", "start");
      await guest().run(`markers ${tracing}/trace_marker 1 0 100; ${offline}`);
      await guest().run("sleep 12");
      const parked = await ends.ask("status", "status");
      expect(parked["cpus"]).toMatchObject([{ cpu: 0 }, { cpu: 1, state: "parked" }]);
      // A parked CPU holds up no order.
      await ends.ask("1", "start");
      if (state === "armed") await ends.ask("0", "stop");
      await guest().run(`${online}; sleep 12; markers ${tracing}/trace_marker 1 100 100`);
      expect((await ends.ask("status", "status"))["cpus"]).toMatchObject([{ cpu: 0 }, { cpu: 1, state }]);
      if (state === "armed") await ends.ask("1", "start");
      await ends.ask("0", "stop");
      await ends.silence();
      expect(findMarkers(ends.reader(1).take(), 1)).toEqual(Array.from({ length: 200 }, (_, index) => index));
      ends.reader(0).take();
    }
  }, guestTestTimeoutMs);
});

await describeWithGuest("a guest whose host comes and goes", { kernel: "6.12", cpus: 2, memoryMb: 640, files, transport: "socket" }, (guest) => {
  let agent: GuestProcess;
  beforeAll(async () => {
    agent = await guest().spawn("exec trace-agent");
    await agent.says("armed: ");
  }, guestTestTimeoutMs);

  test("spends nothing while no host is connected, armed and running", async () => {
    // The workers' rehearsal goes on a while after they are armed.
    await guest().run("sleep 6");
    const ticks = await cpuTicks(guest(), agent.pid);
    await guest().run("sleep 5");
    expect((await cpuTicks(guest(), agent.pid)) - ticks).toBeLessThan(5);
    const ends = new HostEnds(guest().directory, { cpus, transport: "socket", paused: true });
    await ends.ask("hello x", "hello");
    await ends.ask("1", "start");
    ends.close();
    await fresh(guest());
    await guest().run(`echo 1 >${tracing}/events/sched/enable; sleep 3`);
    const running = await cpuTicks(guest(), agent.pid);
    await guest().run("sleep 5");
    const spent = (await cpuTicks(guest(), agent.pid)) - running;
    console.error(`no host for 5 s while running: ${spent} ticks of 10 ms spent`);
    expect(spent).toBeLessThan(10);
  }, guestTestTimeoutMs);

  test("begins every host's stream with a whole sub-buffer, however the one before was cut", async () => {
    await guest().run(`: >${tracing}/set_event; echo 1 >${tracing}/events/raw_syscalls/enable`);
    await guest().run("(dd if=/dev/zero of=/dev/null bs=1 count=1000000000 & dd if=/dev/zero of=/dev/null bs=1 count=1000000000 &) >/dev/null 2>&1");
    for (let round = 0; round < 12; round++) {
      const ends = new HostEnds(guest().directory, { cpus, transport: "socket", paused: true });
      await Bun.sleep(300);
      // Cut in the middle of a sub-buffer, then the client leaves.
      for (const cpu of cpus) ends.reader(cpu).poll(10_000 + round * 1111);
      const streams = cpus.map((cpu) => ends.reader(cpu).take());
      ends.close();
      for (const stream of streams) {
        const whole = stream.subarray(0, stream.length - (stream.length % layout.sizeBytes));
        expect(countEvents(whole, layout)).toMatchObject({ damaged: 0 });
      }
      expect(streams.some((stream) => stream.length > 0)).toBe(true);
    }
    const ends = new HostEnds(guest().directory, { cpus, transport: "socket" });
    await guest().run(`killall dd; echo 0 >${tracing}/tracing_on`);
    await ends.ask("hello again", "hello");
    await ends.ask("0", "stop");
    await ends.silence();
    for (const cpu of cpus) {
      const stream = ends.reader(cpu).take();
      expect(stream.length % layout.sizeBytes).toBe(0);
      expect(countEvents(stream, layout)).toMatchObject({ damaged: 0 });
    }
    ends.close();
    expect(await agent.isAlive()).toBe(true);
  }, guestTestTimeoutMs);

  test("loses its data port and its control port to a hot-unplug and serves them again when they are back", async () => {
    await fresh(guest());
    const plug = async (name: string, nr: number): Promise<void> => {
      await guest().qmp.execute("device_add", { driver: "virtserialport", bus: "vser0.0", nr, chardev: `c-${name}`, id: `p-${name}`, name });
    };
    const unplug = async (name: string): Promise<void> => {
      await guest().qmp.execute("device_del", { id: `p-${name}` });
    };
    await unplug("trace-path-cpu1");
    await Bun.sleep(2000);
    const ends = new HostEnds(guest().directory, { cpus: [0], transport: "socket" });
    await ends.ask("hello x", "hello");
    await ends.ask("1", "start");
    await guest().run(`markers ${tracing}/trace_marker 1 0 100; sleep 2`);
    expect((await ends.ask("status", "status"))["cpus"]).toMatchObject([{ cpu: 0, port: "open" }, { cpu: 1, port: expect.stringMatching(/absent|closed/) }]);
    await plug("trace-path-cpu1", 3);
    await agentServes(ends, 1);
    ends.close();

    await unplug("agent-ctl-path");
    await agent.says("control port \"agent-ctl-path\" is gone");
    await plug("agent-ctl-path", 1);
    await Bun.sleep(3000);
    const again = new HostEnds(guest().directory, { cpus, transport: "socket" });
    expect(await again.ask("hello back", "hello")).toMatchObject({ nonce: "back", state: "running" });
    await guest().run(`markers ${tracing}/trace_marker 1 100 100`);
    await again.ask("0", "stop");
    await again.silence();
    expect(findMarkers(again.reader(1).take(), 1).slice(-100)).toEqual(Array.from({ length: 100 }, (_, index) => index + 100));
    again.close();
    expect(await agent.isAlive()).toBe(true);
  }, guestTestTimeoutMs);
});

/** Waits until the agent holds the port of this CPU. */
async function agentServes(ends: HostEnds, cpu: number): Promise<void> {
  for (let tries = 0; tries < 60; tries++) {
    const { cpus: seats } = (await ends.ask("status", "status")) as { cpus: { cpu: number; port: string }[] };
    if (seats.find((seat) => seat.cpu === cpu)?.port === "open") return;
    await Bun.sleep(500);
  }
  throw new Error(`CPU ${cpu} is not served again`);
}
