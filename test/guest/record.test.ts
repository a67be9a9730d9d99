/** Recordings of real guests, on ports that `trace-agent setup` made, judged by trace-cmd. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import type { HostTransport } from "../../src/transport/transports.ts";
import { RecorderProcess, traceAgent, traceAgentText } from "../support/recorder-process.ts";
import { type ReportLine, recordingCounts, reportLines, traceCmd } from "../support/trace-cmd.ts";
import { sequence } from "../support/agent-fixture.ts";
import { executable } from "../support/agent-process.ts";
import { prepareGuest } from "../support/prepared-guest.ts";
import { describeWithGuest, guestTestTimeoutMs } from "../support/describe-guest.ts";
import type { Guest } from "../support/guest-handle.ts";
import type { KernelName } from "../support/kernel.ts";
import { inLongForm, isLong } from "../support/long.ts";
import { markerProgram } from "../support/marker-program.ts";
import { whyNoTools } from "../support/packages.ts";
import { settingsRestored } from "../support/tracing-state.ts";

const tracing = "/sys/kernel/tracing";
/** On each CPU: programs that start, sleep and end. Few: the kernel keeps the names of 128 tasks. */
const busyWork = `for mask in 1 2; do taskset $mask sh -c 'for n in $(seq 10); do ls /bin >/dev/null; usleep 1000; done'; done`;
/** In the ring buffer when a recording begins. */
const markersOfBefore = `for cpu in 0 1; do markers ${tracing}/trace_marker $cpu 90000 10; done`;
/** Setting a clock or a size empties the ring buffer: without, what was there before is left out by the recorder. */
const formats = [
  { format: "v6", settings: ["-C", "mono", "-b", "4096"], clock: "mono" },
  { format: "v7", settings: [], clock: "local" },
];
const base = mkdtempSync(`${tmpdir()}/trace-agent-record-`);
afterAll(() => rmSync(base, { recursive: true }));
const noTraceCmd = await whyNoTools("trace-cmd");
if (noTraceCmd !== undefined) console.log(`skipped: trace-cmd reads recordings of guests: ${noTraceCmd}`);

/** The marker numbers of each CPU in a file, in the order of trace-cmd's report. */
function markersIn(path: string, cpus: number): number[][] {
  return markersOf(reportLines(path), cpus);
}

function markersOf(lines: readonly ReportLine[], cpus: number): number[][] {
  const numbers = sequence(0, cpus).map((): number[] => []);
  for (const { text } of lines) {
    const [, cpu, number] = /MARK (\d+) (\d+)/.exec(text) ?? [];
    if (cpu !== undefined) numbers[Number(cpu)]?.push(Number(number));
  }
  return numbers;
}

/** The same of each CPU. */
const onEach = (cpus: number, numbers: number[]): number[][] => sequence(0, cpus).map(() => numbers);

const files = { "/bin/trace-agent": executable, "/bin/markers": markerProgram() };
const variants: { kernel: KernelName; transport: HostTransport; cpus: number }[] = [
  { kernel: "6.12", transport: "fifo", cpus: 2 },
  { kernel: "6.1", transport: "socket", cpus: 2 },
];

for (const { kernel, transport, cpus } of variants) {
  const title = `recording a guest with kernel ${kernel} over ${transport}s`;
  await describeWithGuest(
    title,
    { kernel, cpus, memoryMb: 640, transport, prepared: prepareGuest(`${base}/vm-${kernel}`, cpus, transport), files },
    (guest) => {
      let directory = "";
      beforeAll(async () => {
        ({ directory } = guest());
        await (await guest().spawn("exec trace-agent")).says("armed: ");
      }, guestTestTimeoutMs);

      for (const { format, settings, clock } of formats) {
        test.skipIf(noTraceCmd !== undefined)(
          `a ${format} file has every marker and all of the guest's events, with task names and statistics, and the guest is as it was`,
          async () => {
            const output = `${base}/${kernel}-${format}.dat`;
            const state = `cat ${tracing}/set_event ${tracing}/trace_clock ${tracing}/buffer_size_kb ${tracing}/tracing_on`;
            await guest().run(
              `echo 2048 >${tracing}/buffer_size_kb; echo sched:sched_process_hang >${tracing}/set_event`,
            );
            await guest().run(`: >${tracing}/trace; ${markersOfBefore}`);
            const before = await guest().text(state);
            const args = ["-e", "sched", ...settings, "--format", format, "-o", output];
            const recorder = new RecorderProcess(["record", directory, ...args]);
            await recorder.recording(output);
            await guest().run(`${busyWork}; for cpu in 0 1; do markers ${tracing}/trace_marker $cpu 0 20000; done`);
            recorder.kill("SIGINT");
            const { code, stdout, stderr } = await recorder.ended();
            expect({ code, stderr }).toMatchObject({ code: 0 });
            await settingsRestored(guest());
            expect(await guest().text(state)).toBe(before);
            expect(traceCmd("dump", "-v", "-i", output)).toContain("is a valid trace-cmd file");
            expect(traceCmd("dump", "--options", "-i", output)).toContain(`[${clock}]`);
            const lines = reportLines(output);
            expect(lines.filter(({ task }) => task === "<...>")).toEqual([]);
            expect(lines.some(({ text }) => text.startsWith("sched_switch:"))).toBe(true);
            const counts = recordingCounts(output);
            for (const cpu of sequence(0, cpus)) {
              const reported = lines.filter((line) => line.cpu === cpu).length;
              expect(reported).toBeGreaterThan(20_050);
              const { events, overrun } = counts.get(cpu)!;
              expect({ reported, overrun }).toEqual({ reported: events, overrun: 0 });
              expect(stdout).toMatch(new RegExp(`^ *${cpu} +\\d+ +${reported} +0 +0 +0$`, "m"));
            }
            // Each once and in order, and none of before.
            expect(markersOf(lines, cpus)).toEqual(onEach(cpus, sequence(0, 20_000)));
            expect(existsSync(`${output}.spool`)).toBe(false);
            await guest().run(`: >${tracing}/set_event; echo 8192 >${tracing}/buffer_size_kb`);
          },
          guestTestTimeoutMs,
        );
      }

      test.skipIf(noTraceCmd !== undefined)(
        "a second recorder is told; a killed one is recovered; the next takes nothing of it",
        async () => {
          const output = `${base}/${kernel}-killed.dat`;
          const recorder = new RecorderProcess(["record", directory, "-o", output]);
          await recorder.recording(output);
          const second = await traceAgent("record", directory, "-o", `${base}/second.dat`);
          expect(second.code).toBe(69);
          expect(second.stderr).toContain(`trace-agent record (pid ${recorder.pid}) uses it`);
          expect(existsSync(`${base}/second.dat.spool`)).toBe(false);
          expect((await traceAgent("recover", `${output}.spool`, "-o", output)).stderr).toContain(
            "a recorder still writes it",
          );

          await guest().run(`for cpu in 0 1; do markers ${tracing}/trace_marker $cpu 0 3000; done`, {
            timeoutMs: 300_000,
          });
          for (const cpu of sequence(0, cpus)) await recorder.spooled(output, cpu, `MARK ${cpu} 2999\n`);
          await recorder.killHard();
          expect(existsSync(output)).toBe(false);
          expect(await traceAgent("recover", `${output}.spool`, "-o", output, "--remove")).toMatchObject({
            code: 74,
            stderr: expect.stringContaining("its recorder was killed"),
          });
          expect(markersIn(output, cpus)).toEqual(onEach(cpus, sequence(0, 3000)));
          expect(existsSync(`${output}.spool`)).toBe(false);

          // Nobody told the guest to stop: this lies in its ports now.
          await guest().run(`for cpu in 0 1; do markers ${tracing}/trace_marker $cpu 50000 3000; done`, {
            timeoutMs: 300_000,
          });
          const next = new RecorderProcess(["record", directory, "-o", output]);
          await next.recording(output);
          await guest().run(`for cpu in 0 1; do markers ${tracing}/trace_marker $cpu 100 50; done`);
          next.kill("SIGTERM");
          const { code, stderr } = await next.ended();
          expect(code).toBe(0);
          expect(stderr).toContain("still runs for an earlier host: stopped");
          expect(markersIn(output, cpus)).toEqual(onEach(cpus, sequence(100, 50)));
        },
        guestTestTimeoutMs,
      );

      test.skipIf(noTraceCmd !== undefined)(
        "what the guest lost is told, and the counts add up",
        async () => {
          const output = `${base}/${kernel}-lossy.dat`;
          const recorder = new RecorderProcess(["record", directory, "-C", "mono", "-b", "16", "-o", output]);
          await recorder.recording(output);
          await guest().run(`for cpu in 0 1; do markers ${tracing}/trace_marker $cpu 0 30000; done`, {
            timeoutMs: 300_000,
          });
          recorder.kill("SIGINT");
          const { code, stdout } = await recorder.ended();
          expect(code).toBe(0);
          const lines = reportLines(output);
          const counts = recordingCounts(output);
          for (const cpu of sequence(0, cpus)) {
            const reported = lines.filter((line) => line.cpu === cpu).length;
            const { events, overrun, droppedEvents, commitOverrun } = counts.get(cpu)!;
            expect(reported).toBe(events);
            expect(reported + overrun + droppedEvents + commitOverrun).toBeGreaterThanOrEqual(30_000);
            expect(stdout).toMatch(new RegExp(`^ *${cpu} +\\d+ +${reported} +\\d+(?:\\+\\?)? +${overrun} +\\d+$`, "m"));
          }
        },
        guestTestTimeoutMs,
      );

      test(
        "status, start and stop are ordered and answered",
        async () => {
          const table = await traceAgentText("status", directory);
          expect(table).toContain(`Linux ${guest().kernel.release}`);
          expect(table).toMatch(/^ *1 +armed +open +\d+ +\d+ +\d+ +\d+ +\d+ +0 +\d+$/m);
          expect(JSON.parse(await traceAgentText("start", directory, "--json"))).toMatchObject({
            reply: "start",
            state: "running",
          });
          expect(await traceAgentText("status", directory)).toMatch(/^ *0 +running +open/m);
          expect(await traceAgentText("stop", directory)).toContain(": armed\n");
        },
        guestTestTimeoutMs,
      );
    },
  );
}

// A reset takes QEMU's emulation three times as long as a boot. Of an agent that comes again, without a VM: host/run/recorder.test.ts.
await describeWithGuest(
  `recording a guest of 1 CPU${isLong ? " that boots again on the way" : ""}`,
  { kernel: "6.12", cpus: 1, prepared: prepareGuest(`${base}/vm-1`, 1, "fifo"), files, reboot: isLong },
  (guest: () => Guest) => {
    beforeAll(async () => {
      await (await guest().spawn("exec trace-agent")).says("armed: ");
    }, guestTestTimeoutMs);

    test.skipIf(noTraceCmd !== undefined)(
      "has all of its events",
      async () => {
        const output = `${base}/one.dat`;
        const recorder = new RecorderProcess(["record", guest().directory, "-e", "sched", "-o", output]);
        await recorder.recording(output);
        await guest().run(`markers ${tracing}/trace_marker 0 0 100; ls /bin >/dev/null`);
        recorder.kill("SIGHUP");
        expect(await recorder.ended()).toMatchObject({ code: 0 });
        expect(markersIn(output, 1)).toEqual([sequence(0, 100)]);
        const ofMarkers = reportLines(output).filter(({ text }) => text.includes("MARK 0 "));
        expect(new Set(ofMarkers.map(({ task }) => task))).toEqual(new Set(["markers"]));
        expect(traceCmd("report", "-i", output)).toContain("cpus=1\n");
      },
      guestTestTimeoutMs,
    );

    if (!isLong) return;
    test.skipIf(noTraceCmd !== undefined)(
      "says that the guest booted again, and finishes with what it has",
      async () => {
        const output = `${base}/rebooted.dat`;
        const recorder = new RecorderProcess(["record", guest().directory, "-o", output]);
        await recorder.recording(output);
        await guest().run(`markers ${tracing}/trace_marker 0 0 500`);
        await recorder.spooled(output, 0, "MARK 0 499\n");
        const again = guest().rebooted();
        void guest()
          .run("reboot -f", { mayFail: true })
          .catch(() => {});
        await again;
        await (await guest().spawn("exec trace-agent")).says("armed: ");
        const { code, stderr } = await recorder.ended();
        expect(stderr).toContain("the guest's agent restarted (the guest booted again?)");
        expect(code).toBe(74);
        expect(markersIn(output, 1)).toEqual([sequence(0, 500)]);
      },
      guestTestTimeoutMs,
    );
  },
);

const many = inLongForm(4, 8);
const busyCpus = isLong ? [0, 2, 4, 7] : [0, 2, 3];
await describeWithGuest(
  `recording a guest of ${many} CPUs`,
  { kernel: "6.12", cpus: many, prepared: prepareGuest(`${base}/vm-${many}`, many, "fifo"), files },
  (guest) => {
    test.skipIf(noTraceCmd !== undefined)(
      "has the events of every CPU that had some",
      async () => {
        await (await guest().spawn("exec trace-agent")).says("armed: ");
        const output = `${base}/many.dat`;
        // Until it is first used or set the buffer has a few kB.
        await guest().run(`echo 1024 >${tracing}/buffer_size_kb; : >${tracing}/trace`);
        const recorder = new RecorderProcess(["record", guest().directory, "-o", output]);
        await recorder.recording(output);
        await guest().run(`for cpu in ${busyCpus.join(" ")}; do markers ${tracing}/trace_marker $cpu 0 100; done`);
        recorder.kill("SIGINT");
        expect(await recorder.ended()).toMatchObject({ code: 0 });
        const expected = sequence(0, many).map((cpu) => (busyCpus.includes(cpu) ? sequence(0, 100) : []));
        expect(markersIn(output, many)).toEqual(expected);
        expect(traceCmd("report", "-i", output)).toContain(`cpus=${many}\n`);
      },
      guestTestTimeoutMs,
    );
  },
);
