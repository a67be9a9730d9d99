/** The agent as its user runs it: the static executable in a guest that holds busybox and nothing else, no udev links. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { controlPortName, dataPortName } from "../../src/protocol/ports.ts";
import { countEvents } from "../../src/ring-buffer/event-count.ts";
import { layoutOf } from "../../src/ring-buffer/sub-buffer.ts";
import { parseCpuStats } from "../../src/tracefs/cpu-stats.ts";
import { sequence } from "../support/agent-fixture.ts";
import { eventually, executable } from "../support/agent-process.ts";
import { describeWithGuest, guestTestTimeoutMs } from "../support/describe-guest.ts";
import type { Guest, GuestProcess } from "../support/guest-handle.ts";
import { restsAfterWork } from "../support/guest-measures.ts";
import { HostEnds } from "../support/host-ends.ts";
import type { KernelName } from "../support/kernel.ts";
import { inLongForm } from "../support/long.ts";
import { markerProgram } from "../support/marker-program.ts";
import { findMarkers } from "../support/markers.ts";
import { unplugPort } from "../support/port-plug.ts";

const tracing = "/sys/kernel/tracing";
const layout = layoutOf(4096, 8);
const cpus = [0, 1];
/** Each is more than one event of the scheduler. */
const onEachCpu = `for n in 1 2 3 4 5 6 7 8 9 10; do for mask in 1 2; do taskset $mask ls /bin >/dev/null; done; done`;
const files = { "/bin/trace-agent": executable, "/bin/markers": markerProgram() };
/** All of a CPU's fit into its ring buffer: none is lost, however late the agent is. */
const manyMarkers = inLongForm(50_000, 200_000);

/** Voluntary context switches by thread of a process, as "tid count" lines. */
const switchesOf = (pid: number): string =>
  `for t in /proc/${pid}/task/*; do echo "\${t##*/} $(sed -n 's/^voluntary_ctxt_switches:[^0-9]*//p' $t/status)"; done`;

/**
 * How often each thread that lives at both ends of `seconds` gave up its CPU in between, and how long that really was: on a loaded
 * machine an emulated guest takes its time to look.
 */
async function switchesFor(guest: Guest, pid: number, seconds: number): Promise<{ counts: number[]; seconds: number }> {
  const uptime = "cut -d' ' -f1 /proc/uptime";
  const [begun = "", before = "", after = "", ended = ""] = (
    await guest.text(
      `${uptime}; echo --; ${switchesOf(pid)}; sleep ${seconds}; echo --; ${switchesOf(pid)}; echo --; ${uptime}`,
    )
  ).split("--\n");
  const counts = new Map(
    before
      .trim()
      .split("\n")
      .map((line) => line.split(" ") as [string, string]),
  );
  const between = after
    .trim()
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([thread]) => counts.has(thread ?? ""))
    .map(([thread, count]) => Number(count) - Number(counts.get(thread ?? "")));
  return { counts: between, seconds: Number(ended) - Number(begun) };
}
const sum = (numbers: number[]): number => numbers.reduce((total, number) => total + number, 0);

for (const kernel of ["6.12", "6.1"] satisfies KernelName[]) {
  await describeWithGuest(
    `the agent in a guest with kernel ${kernel}`,
    { kernel, cpus: 2, memoryMb: 640, files },
    (guest) => {
      let ends: HostEnds;
      let agent: GuestProcess;
      beforeAll(async () => {
        agent = await guest().spawn("exec trace-agent");
        await agent.says("armed: CPUs 0-1 on /sys/kernel/tracing");
        ends = new HostEnds(guest(), { cpus });
      }, guestTestTimeoutMs);
      afterAll(() => ends?.close());
      beforeEach(async () => {
        await guest().run(
          `cd ${tracing}; echo 0 >tracing_on; : >set_event; echo 8192 >buffer_size_kb; : >trace; echo 1 >tracing_on`,
        );
      });

      test(
        "ships scheduling events on a start order that came before any reader, and is silent after the stop",
        async () => {
          for (const cpu of cpus) ends.reader(cpu).pause();
          await guest().run(`echo 1 >${tracing}/events/sched/enable`);
          ends.order("1\n");
          await agent.says("started");
          for (const cpu of cpus) ends.reader(cpu).resume();
          await guest().run(onEachCpu);
          ends.order("0\n");
          await agent.says("stopped");
          await ends.silence();
          for (const cpu of cpus) {
            const stream = ends.reader(cpu).take();
            expect(countEvents(stream, layout)).toMatchObject({ damaged: 0 });
            expect(countEvents(stream, layout).events).toBeGreaterThan(20);
            expect(stream.length % layout.sizeBytes).toBe(0);
          }
          // Three times as long as a running agent would wait with what comes.
          await guest().run("usleep 1500000; ls /bin >/dev/null");
          expect(cpus.map((cpu) => ends.reader(cpu).length)).toEqual([0, 0]);
          ends.order("1\n");
          await guest().run(onEachCpu);
          await eventually(
            () => cpus.every((cpu) => ends.reader(cpu).length > 0),
            "data after the second start",
            () => cpus.map((cpu) => ends.reader(cpu).length).join(" "),
            300_000,
          );
          await ends.ask("hello after", "hello");
          await ends.ask("0", "stop");
          await ends.silence();
          for (const cpu of cpus) ends.reader(cpu).take();
          expect(await agent.isAlive()).toBe(true);
        },
        guestTestTimeoutMs,
      );

      test(
        `loses nothing and repeats nothing of ${manyMarkers} markers per CPU`,
        async () => {
          await ends.ask("1", "start");
          await guest().run(`for cpu in 0 1; do markers ${tracing}/trace_marker $cpu 0 ${manyMarkers}; done`);
          await ends.ask("0", "stop");
          await ends.silence();
          for (const cpu of cpus) {
            const stream = ends.reader(cpu).take();
            const numbers = findMarkers(stream, cpu);
            expect(numbers.length).toBe(manyMarkers);
            expect(numbers.every((number, index) => number === index)).toBe(true);
            expect(countEvents(stream, layout)).toMatchObject({ lostEvents: 0, unknownLosses: 0, damaged: 0 });
          }
        },
        guestTestTimeoutMs,
      );

      test(
        "gives what trace_pipe_raw gives: a filled buffer, whole sub-buffers, the kernel's count of events",
        async () => {
          await guest().run(
            `for cpu in 0 1; do markers ${tracing}/trace_marker $cpu 0 5000; done; echo 0 >${tracing}/tracing_on`,
          );
          const statistics = await Promise.all(
            cpus.map((cpu) => guest().text(`cat ${tracing}/per_cpu/cpu${cpu}/stats`)),
          );
          ends.order("1\n0\n");
          await ends.ask("status", "status");
          await ends.silence();
          for (const cpu of cpus) {
            const stream = ends.reader(cpu).take();
            expect(stream.length % layout.sizeBytes).toBe(0);
            expect(countEvents(stream, layout)).toMatchObject({
              events: parseCpuStats(statistics[cpu] ?? "").entries,
              damaged: 0,
            });
            expect(findMarkers(stream, cpu)).toEqual(sequence(0, 5000));
          }
        },
        guestTestTimeoutMs,
      );

      test(
        "sleeps while it is armed, and wakes rarely while it runs without events",
        async () => {
          await restsAfterWork(guest(), agent.pid);
          const { counts: armed, seconds: armedSeconds } = await switchesFor(guest(), agent.pid, inLongForm(5, 10));
          await ends.ask("1", "start");
          await restsAfterWork(guest(), agent.pid);
          const { counts: running, seconds: runningSeconds } = await switchesFor(guest(), agent.pid, 5);
          await ends.ask("0", "stop");
          console.error(
            `kernel ${kernel}: context switches by thread: armed for ${armedSeconds} s ${armed.join(" ")}; running for ${runningSeconds} s ${running.join(" ")}`,
          );
          // The CPU workers and the control worker do not wake at all; the runtime's own threads hardly ever.
          expect(armed.filter((count) => count === 0).length).toBeGreaterThanOrEqual(cpus.length + 1);
          expect(sum(armed)).toBeLessThan(2 * armedSeconds);
          // A check every 500 ms for all CPUs; what it wakes, the emulator's guest may have made.
          expect(Math.max(...running)).toBeLessThanOrEqual(2.5 * runningSeconds + 1);
          // The runtime's own: its compiler's and collector's work after the start.
          expect(sum(running)).toBeLessThanOrEqual(2.5 * runningSeconds + 30);
        },
        guestTestTimeoutMs,
      );

      test(
        "a second agent says who is in the way",
        async () => {
          const { stderr, code } = await guest().run("trace-agent", { mayFail: true });
          expect(stderr).toContain(`cannot open port "agent-ctl-path"`);
          expect(stderr).toContain(`EBUSY, trace-agent (pid ${agent.pid}) has it`);
          expect(code).toBe(69);
        },
        guestTestTimeoutMs,
      );

      test(
        "ends on SIGTERM though it is stuck on full ports, and the ports can be used again at once",
        async () => {
          for (const cpu of cpus) ends.reader(cpu).pause();
          await ends.ask("1", "start");
          // More than FIFO, the driver's queue and the agent's pipe hold.
          const fill = `dd if=/dev/zero of=${tracing}/trace_marker bs=1000 count=15000`;
          await guest().run(`for cpu in 1 2; do taskset $cpu ${fill}; done`);
          for (const cpu of cpus)
            expect(parseCpuStats(await guest().text(`cat ${tracing}/per_cpu/cpu${cpu}/stats`)).entries).toBeGreaterThan(
              0,
            );
          await agent.kill();
          expect(await agent.exitCode()).toBe(0);
          for (const cpu of cpus) ends.reader(cpu).resume();
          agent = await guest().spawn("exec trace-agent");
          await agent.says("armed: ");
          await ends.silence();
          for (const cpu of cpus) ends.reader(cpu).take();
          await guest().run(`: >${tracing}/trace`);
          await ends.ask("hello again", "hello");
          await ends.ask("1", "start");
          await guest().run(`markers ${tracing}/trace_marker 1 0 10`);
          await ends.ask("0", "stop");
          await ends.silence();
          expect(findMarkers(ends.reader(1).take(), 1)).toEqual(sequence(0, 10));
        },
        guestTestTimeoutMs,
      );

      test(
        "says what is wrong without tracefs",
        async () => {
          await agent.kill();
          await agent.exitCode();
          expect(
            await errorOf(
              guest(),
              "umount /sys/kernel/tracing; trace-agent; code=$?; mount -t tracefs t /sys/kernel/tracing; exit $code",
            ),
          ).toEqual([69, expect.stringContaining("mount it with: mount -t tracefs nodev /sys/kernel/tracing")]);
        },
        guestTestTimeoutMs,
      );

      // Of one kernel: it is the program's part of the work.
      if (kernel !== "6.12") return;

      test(
        "without a control port says that it is missing, and what to do",
        async () => {
          await unplugPort(guest(), controlPortName);
          const [code, stderr] = await errorOf(guest(), "trace-agent");
          expect(stderr).toContain('cannot open control port "agent-ctl-path": no virtio-serial port of that name');
          expect(code).toBe(69);
        },
        guestTestTimeoutMs,
      );

      test(
        "without a control port starts at once with --start, and reports the CPU that has no data port",
        async () => {
          await unplugPort(guest(), dataPortName(1));
          const started = await guest().spawn("exec trace-agent --start");
          await started.says("started");
          expect(await started.stderr()).toContain(
            'CPU 1 is not served, its events stay in its ring buffer: no data port "trace-path-cpu1"',
          );
          await started.kill("INT");
          expect(await started.exitCode()).toBe(0);
        },
        guestTestTimeoutMs,
      );
    },
  );
}

async function errorOf(guest: Guest, command: string): Promise<[number, string]> {
  const { code, stderr } = await guest.run(command, { mayFail: true });
  return [code, stderr];
}
