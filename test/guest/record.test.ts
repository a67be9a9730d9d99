/** Recordings of real guests, on ports that `trace-agent setup` made, judged by trace-cmd. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import type { Transport } from "../../src/host/guest-directory.ts";
import { qemuArguments } from "../../src/host/qemu-arguments.ts";
import { makeGuestDirectory } from "../../src/host/setup.ts";
import { planSetup } from "../../src/host/setup-plan.ts";
import { RecorderProcess, traceAgent, traceAgentText } from "../host/support/recorder-process.ts";
import { reportLines, reportStats, traceCmd } from "../host/support/trace-cmd.ts";
import { sequence } from "../support/agent-fixture.ts";
import { executable } from "../support/agent-process.ts";
import { describeWithGuest, guestTestTimeoutMs } from "../support/describe-guest.ts";
import type { Guest, GuestProcess } from "../support/guest-handle.ts";
import type { KernelName } from "../support/kernel.ts";
import { markerProgram } from "../support/marker-program.ts";
import { whyNoTools } from "../support/packages.ts";

const tracing = "/sys/kernel/tracing";
const work = "for i in 1 2 3 4 5 6 7 8; do usleep 100000; ls /proc >/dev/null; done";
const base = mkdtempSync(`${tmpdir()}/trace-agent-record-`);
afterAll(() => rmSync(base, { recursive: true }));
const noTraceCmd = await whyNoTools("trace-cmd");
if (noTraceCmd !== undefined) console.log(`skipped: trace-cmd reads recordings of guests: ${noTraceCmd}`);

function prepared(name: string, cpus: number, transport: Transport): { directory: string; qemuArguments: string[] } {
  const directory = `${base}/${name}`;
  const plan = planSetup(cpus);
  makeGuestDirectory(directory, plan, transport, undefined);
  return { directory, qemuArguments: qemuArguments(plan, directory, transport) };
}

/** The marker numbers of a CPU in a file, in the order of trace-cmd's report. */
function markersIn(path: string, cpu: number): number[] {
  const numbers: number[] = [];
  for (const { text } of reportLines(path)) {
    const [, of, number] = /MARK (\d+) (\d+)/.exec(text) ?? [];
    if (Number(of) === cpu) numbers.push(Number(number));
  }
  return numbers;
}

const files = { "/bin/trace-agent": executable, "/bin/markers": markerProgram() };
const variants: { kernel: KernelName; transport: Transport; cpus: number }[] = [
  { kernel: "6.12", transport: "fifo", cpus: 2 },
  { kernel: "6.1", transport: "socket", cpus: 2 },
];

for (const { kernel, transport, cpus } of variants) {
  const title = `recording a guest with kernel ${kernel} over ${transport}s`;
  await describeWithGuest(title, { kernel, cpus, memoryMb: 640, transport, prepared: prepared(`vm-${kernel}`, cpus, transport), files }, (guest) => {
    let directory = "";
    beforeAll(async () => {
      ({ directory } = guest());
      await (await guest().spawn("exec trace-agent")).says("armed: ");
    }, guestTestTimeoutMs);

    for (const format of ["v6", "v7"]) {
      test.skipIf(noTraceCmd !== undefined)(
        `a ${format} file has all of the guest's events, with task names and statistics, and the guest is as it was`,
        async () => {
          const output = `${base}/${kernel}-${format}.dat`;
          const settings = `cat ${tracing}/set_event ${tracing}/trace_clock ${tracing}/buffer_size_kb ${tracing}/tracing_on`;
          await guest().run(`echo 2048 >${tracing}/buffer_size_kb; echo sched:sched_process_hang >${tracing}/set_event`);
          const before = await guest().text(settings);
          const working = guest().run(`sleep 1; ${work}; sleep 1`, { timeoutMs: 100_000 });
          const args = ["record", directory, "-e", "sched", "-C", "mono", "-b", "4096", "-d", "3", "--format", format, "-o", output];
          const stdout = await traceAgentText(...args);
          await working;
          expect(await guest().text(settings)).toBe(before);
          expect(traceCmd("dump", "-v", "-i", output)).toContain("is a valid trace-cmd file");
          expect(traceCmd("dump", "--options", "-i", output)).toContain("[mono]");
          const lines = reportLines(output);
          expect(lines.filter(({ task }) => task === "<...>")).toEqual([]);
          expect(lines.some(({ text }) => text.startsWith("sched_switch:"))).toBe(true);
          const stats = reportStats(output);
          for (const cpu of sequence(0, cpus)) {
            const reported = lines.filter((line) => line.cpu === cpu).length;
            expect(reported).toBeGreaterThan(50);
            // The setting of the clock emptied the buffer and its counters.
            const { readEvents, entries, overrun } = stats.get(cpu)!;
            expect({ reported, entries, overrun }).toEqual({ reported: readEvents, entries: 0, overrun: 0 });
            expect(stdout).toMatch(new RegExp(`^ *${cpu} +\\d+ +${reported} +0 +0 +0$`, "m"));
          }
          expect(existsSync(`${output}.spool`)).toBe(false);
          await guest().run(`: >${tracing}/set_event`);
        },
        guestTestTimeoutMs,
      );
    }

    test.skipIf(noTraceCmd !== undefined)("every marker is in the file, once and in order, and none of before", async () => {
      const output = `${base}/${kernel}-markers.dat`;
      await guest().run(`echo 8192 >${tracing}/buffer_size_kb; : >${tracing}/trace`);
      const recorder = new RecorderProcess(["record", directory, "-o", output]);
      await recorder.recording(output);
      await guest().run(`for cpu in 0 1; do markers ${tracing}/trace_marker $cpu 0 20000; done`, { timeoutMs: 100_000 });
      recorder.kill("SIGINT");
      expect(await recorder.ended()).toMatchObject({ code: 0 });
      for (const cpu of sequence(0, cpus)) expect(markersIn(output, cpu)).toEqual(sequence(0, 20_000));
    }, guestTestTimeoutMs);

    test.skipIf(noTraceCmd !== undefined)("a second recorder is told; a killed one is recovered; the next takes nothing of it", async () => {
      const output = `${base}/${kernel}-killed.dat`;
      const recorder = new RecorderProcess(["record", directory, "-o", output]);
      await recorder.recording(output);
      const second = await traceAgent("record", directory, "-o", `${base}/second.dat`);
      expect(second.code).toBe(69);
      expect(second.stderr).toContain(`trace-agent record (pid ${recorder.pid}) has it`);
      expect(existsSync(`${base}/second.dat.spool`)).toBe(false);
      expect((await traceAgent("recover", `${output}.spool`, "-o", output)).stderr).toContain("a recorder still writes it");

      await guest().run(`for cpu in 0 1; do markers ${tracing}/trace_marker $cpu 0 3000; done; sleep 1`, { timeoutMs: 100_000 });
      const spooled = (): number => sequence(0, cpus).reduce((sum, cpu) => sum + statSync(`${output}.spool/cpu${cpu}`).size, 0);
      for (let last = -1; last !== spooled(); await Bun.sleep(700)) last = spooled();
      await recorder.killHard();
      expect(existsSync(output)).toBe(false);
      await traceAgentText("recover", `${output}.spool`, "-o", output);
      for (const cpu of sequence(0, cpus)) expect(markersIn(output, cpu)).toEqual(sequence(0, 3000));
      expect(existsSync(`${output}.spool`)).toBe(false);

      // Nobody told the guest to stop: this lies in its ports now.
      await guest().run(`for cpu in 0 1; do markers ${tracing}/trace_marker $cpu 50000 3000; done; sleep 1`, { timeoutMs: 100_000 });
      const next = new RecorderProcess(["record", directory, "-o", output]);
      await next.recording(output);
      await guest().run(`for cpu in 0 1; do markers ${tracing}/trace_marker $cpu 100 50; done`);
      next.kill("SIGTERM");
      const { code, stderr } = await next.ended();
      expect(code).toBe(0);
      expect(stderr).toContain("still runs for an earlier host: stopped");
      for (const cpu of sequence(0, cpus)) expect(markersIn(output, cpu)).toEqual(sequence(100, 50));
    }, guestTestTimeoutMs);

    test.skipIf(noTraceCmd !== undefined)("what the guest lost is told, and the counts add up", async () => {
      const output = `${base}/${kernel}-lossy.dat`;
      const recorder = new RecorderProcess(["record", directory, "-C", "mono", "-b", "16", "-o", output]);
      await recorder.recording(output);
      await guest().run(`for cpu in 0 1; do markers ${tracing}/trace_marker $cpu 0 30000; done`, { timeoutMs: 100_000 });
      recorder.kill("SIGINT");
      const { code, stdout } = await recorder.ended();
      expect(code).toBe(0);
      const lines = reportLines(output);
      const stats = reportStats(output);
      for (const cpu of sequence(0, cpus)) {
        const reported = lines.filter((line) => line.cpu === cpu).length;
        const { readEvents, overrun, droppedEvents, commitOverrun } = stats.get(cpu)!;
        expect(reported).toBe(readEvents);
        expect(reported + overrun + droppedEvents + commitOverrun).toBeGreaterThanOrEqual(30_000);
        expect(stdout).toMatch(new RegExp(`^ *${cpu} +\\d+ +${reported} +\\d+(?:\\+\\?)? +${overrun} +\\d+$`, "m"));
      }
    }, guestTestTimeoutMs);

    test("status, start and stop are ordered and answered", async () => {
      const table = await traceAgentText("status", directory);
      expect(table).toContain(`Linux ${guest().kernel.release}`);
      expect(table).toMatch(/^ *1 +armed +open +\d+ +\d+ +\d+ +\d+ +\d+ +0 +\d+$/m);
      expect(JSON.parse(await traceAgentText("start", directory, "--json"))).toMatchObject({ reply: "start", state: "running" });
      expect(await traceAgentText("status", directory)).toMatch(/^ *0 +running +open/m);
      expect(await traceAgentText("stop", directory)).toContain(": armed\n");
    }, guestTestTimeoutMs);
  });
}

await describeWithGuest("recording a guest of 1 CPU", { kernel: "6.12", cpus: 1, prepared: prepared("vm-1", 1, "fifo"), files }, (guest) => {
  test.skipIf(noTraceCmd !== undefined)("has all of its events", async () => {
    await (await guest().spawn("exec trace-agent")).says("armed: ");
    const output = `${base}/one.dat`;
    const recorder = new RecorderProcess(["record", guest().directory, "-e", "sched", "-o", output]);
    await recorder.recording(output);
    await guest().run(`markers ${tracing}/trace_marker 0 0 100; ${work}`);
    recorder.kill("SIGHUP");
    expect(await recorder.ended()).toMatchObject({ code: 0 });
    expect(markersIn(output, 0)).toEqual(sequence(0, 100));
    expect(reportLines(output).filter(({ task }) => task === "<...>")).toEqual([]);
    expect(traceCmd("report", "-i", output)).toContain("cpus=1\n");
  }, guestTestTimeoutMs);
});

await describeWithGuest(
  "recording a guest of 8 CPUs that boots again on the way",
  { kernel: "6.12", cpus: 8, memoryMb: 1024, prepared: prepared("vm-8", 8, "fifo"), files, reboot: true },
  (guest: () => Guest) => {
    let agent: GuestProcess;
    beforeAll(async () => {
      agent = await guest().spawn("exec trace-agent");
      await agent.says("armed: ");
    }, guestTestTimeoutMs);

    test.skipIf(noTraceCmd !== undefined)("has the events of every CPU that had some", async () => {
      const output = `${base}/eight.dat`;
      // Until it is first used or set the buffer has a few kB.
      await guest().run(`echo 1024 >${tracing}/buffer_size_kb; : >${tracing}/trace`);
      const recorder = new RecorderProcess(["record", guest().directory, "-o", output]);
      await recorder.recording(output);
      await guest().run(`for cpu in 0 2 4 7; do markers ${tracing}/trace_marker $cpu 0 100; done`);
      recorder.kill("SIGINT");
      expect(await recorder.ended()).toMatchObject({ code: 0 });
      for (const cpu of sequence(0, 8)) expect(markersIn(output, cpu)).toEqual([0, 2, 4, 7].includes(cpu) ? sequence(0, 100) : []);
      expect(traceCmd("report", "-i", output)).toContain("cpus=8\n");
    }, guestTestTimeoutMs);

    test.skipIf(noTraceCmd !== undefined)("says that the guest booted again, and finishes with what it has", async () => {
      const output = `${base}/rebooted.dat`;
      const recorder = new RecorderProcess(["record", guest().directory, "-o", output]);
      await recorder.recording(output);
      await guest().run(`markers ${tracing}/trace_marker 3 0 500; sleep 2`);
      const again = guest().rebooted();
      void guest().run("reboot -f", { mayFail: true }).catch(() => {});
      await again;
      await (await guest().spawn("exec trace-agent")).says("armed: ");
      const { code, stderr } = await recorder.ended();
      expect(stderr).toContain("the guest's agent started anew (the guest booted again?)");
      expect(code).toBe(74);
      expect(markersIn(output, 3)).toEqual(sequence(0, 500));
    }, guestTestTimeoutMs);
  },
);
