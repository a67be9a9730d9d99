/** Two guests of different kernels and this machine in one recording, judged by trace-cmd and Perfetto's trace_processor. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import type { HostTransport } from "../../src/transport/transports.ts";
import { readSessionFile, type SessionFile } from "../../src/trace-dat/session/session-file.ts";
import { sequence } from "../support/agent-fixture.ts";
import { eventually, executable } from "../support/agent-process.ts";
import { guestTestTimeoutMs } from "../support/describe-guest.ts";
import { bootGuest, guestHookTimeoutMs, setTime, whyNoGuest } from "../support/guest.ts";
import type { Guest } from "../support/guest-handle.ts";
import type { KernelName } from "../support/kernel.ts";
import { markerProgram } from "../support/marker-program.ts";
import { whyNoTools } from "../support/packages.ts";
import { askTrace, findTraceProcessor } from "../support/perfetto/perfetto.ts";
import { prepareGuest } from "../support/prepared-guest.ts";
import { RecorderProcess, traceAgent } from "../support/recorder-process.ts";
import { testUnless } from "../support/test-unless.ts";
import { reasonWithoutTracefs, unmountTracefs } from "../support/tracefs.ts";
import { type ReportLine, recordingCounts, reportLines, runTraceCmd } from "../support/trace-cmd.ts";

const cpus = 2;
const markers = 5000;
const kinds: { name: string; kernel: KernelName; transport: HostTransport }[] = [
  { name: "vm1", kernel: "6.12", transport: "fifo" },
  { name: "vm2", kernel: "6.1", transport: "socket" },
];
const reason =
  (await whyNoTools("trace-cmd")) ?? (await whyNoGuest("6.12")) ?? (await whyNoGuest("6.1")) ?? reasonWithoutTracefs();
if (reason !== undefined) console.log(`skipped: a recording of two guests and this machine: ${reason}`);
const processor = findTraceProcessor();
const base = mkdtempSync(`${tmpdir()}/trace-agent-machines-`);
afterAll(() => {
  rmSync(base, { recursive: true });
  unmountTracefs();
});

function sessionOf(directory: string): SessionFile {
  const path = `${directory}/session.json`;
  return readSessionFile(readFileSync(path), path);
}

function stateOf(directory: string, name: string): string | undefined {
  if (!existsSync(`${directory}/session.json`)) return undefined;
  return sessionOf(directory)
    .machines.find((machine) => machine.name === name)
    ?.recordings.at(-1)?.state;
}

describe.skipIf(reason !== undefined)("two guests, of Linux 6.12 and 6.1, and this machine in one recording", () => {
  const guests = new Map<string, Guest>();
  const directories: string[] = [];
  beforeAll(async () => {
    const files = { "/bin/trace-agent": executable, "/bin/markers": markerProgram() };
    for (const { name, kernel, transport } of kinds) {
      const prepared = prepareGuest(`${base}/${name}`, cpus, transport);
      const guest = await bootGuest({ kernel, cpus, memoryMb: 640, transport, prepared, files });
      guests.set(name, guest);
      directories.push(prepared.directory);
      await (await guest.spawn("exec trace-agent")).says("armed: ");
    }
  }, 2 * guestHookTimeoutMs);
  afterAll(async () => {
    for (const guest of guests.values()) await guest.close();
  });

  /** Records all three; `work` is done while they are recorded. */
  async function record(
    directory: string,
    work: (recorder: RecorderProcess) => Promise<void>,
    ...options: string[]
  ): Promise<RecorderProcess> {
    const recorder = new RecorderProcess([
      "record",
      ...directories,
      "--host",
      "-e",
      "sched",
      ...options,
      "-o",
      directory,
    ]);
    await eventually(
      () => ["host", "vm1", "vm2"].every((name) => stateOf(directory, name) === "recording"),
      "all three are recorded",
      () => (existsSync(`${directory}/session.json`) ? readFileSync(`${directory}/session.json`, "utf8") : ""),
      guestTestTimeoutMs,
    );
    await work(recorder);
    return recorder;
  }

  async function mark(...names: string[]): Promise<void> {
    const command = `for cpu in 0 1; do markers /sys/kernel/tracing/trace_marker $cpu 0 ${markers}; done`;
    for (const name of names) await guests.get(name)?.run(command);
  }

  /** Markers of each CPU, by what trace-cmd shows of a file. */
  function markersIn(path: string): number[][] {
    return markersOf(reportLines(path));
  }

  function markersOf(lines: readonly ReportLine[]): number[][] {
    const found = sequence(0, cpus).map((): number[] => []);
    for (const { text } of lines) {
      const [, cpu, number] = /MARK (\d+) (\d+)/.exec(text) ?? [];
      if (cpu !== undefined) found[Number(cpu)]?.push(Number(number));
    }
    return found;
  }

  const all = sequence(0, cpus).map(() => sequence(0, markers));
  const whole = `${base}/whole`;

  test(
    "is whole: of each machine as many events are in the file as its kernel wrote and did not lose",
    async () => {
      const recorder = await record(whole, async () => await mark("vm1", "vm2"));
      recorder.kill("SIGINT");
      const end = await recorder.ended();
      expect({ code: end.code, stderr: end.code === 0 ? "" : end.stderr }).toEqual({ code: 0, stderr: "" });
      expect(readdirSync(whole).sort()).toEqual(["host.dat", "session.json", "vm1.dat", "vm2.dat"]);
      for (const { name, recordings } of sessionOf(whole).machines) {
        const path = `${whole}/${name}.dat`;
        let [written, lost] = [0, 0];
        for (const count of recordingCounts(path).values()) {
          written += count.events;
          lost += count.overrun + count.commitOverrun + count.droppedEvents;
        }
        const lines = reportLines(path);
        const shown = lines.length;
        console.log(`${name}: ${shown} events shown, ${written} counted, ${lost} lost`);
        expect({ name, shown, state: recordings[0]?.state }).toEqual({ name, shown: written, state: "whole" });
        expect(recordings[0]?.events).toBe(shown);
        expect(shown).toBeGreaterThan(100);
        if (name !== "host") expect(markersOf(lines)).toEqual(all);
      }
    },
    guestTestTimeoutMs,
  );

  test(
    "is shown by trace-cmd, every machine with its events",
    async () => {
      const files = ["host", "vm1", "vm2"].flatMap((name) => ["-i", `${whole}/${name}.dat`]);
      const { status, stdout } = runTraceCmd(["report", ...files]);
      expect(status).toBe(0);
      const theirs = stdout.split("\n");
      const own = await traceAgent("report", whole);
      expect(own.code).toBe(0);
      for (const { name, recordings } of sessionOf(whole).machines) {
        const count = (lines: readonly string[], form: RegExp): number =>
          lines.filter((line) => form.test(line)).length;
        const machine = `^ *${name}(?:\\.dat)?: +`;
        const event = "\\S.*-\\d+ +\\[\\d+\\] ";
        // Where events were lost trace-cmd names the machine before the loss, and not again before the event behind it.
        const loss = "CPU:\\d+ \\[\\d* ?EVENTS DROPPED\\]$";
        const shown = {
          theirs: count(theirs, new RegExp(`${machine}(?:${event}|${loss})`)),
          own: count(own.stdout.split("\n"), new RegExp(machine + event)),
        };
        const events = Number(recordings[0]?.events);
        expect({ name, ...shown }).toEqual({ name, theirs: events, own: events });
      }
    },
    guestTestTimeoutMs,
  );

  testUnless(
    "reason" in processor ? processor.reason : undefined,
    "is shown by Perfetto, every machine with its events and threads",
    async () => {
      const trace = `${base}/whole.pftrace`;
      expect((await traceAgent("export", whole, "-o", trace)).code).toBe(0);
      const [machines = [], events = []] = askTrace("folder" in processor ? processor.folder : "", trace, [
        "select coalesce(machine_id, 0) m, count(*) n from thread where name is not null and tid > 0 group by m",
        "select count(*) n from ftrace_event",
      ]);
      expect(machines.length).toBe(3);
      for (const { n } of machines) expect(Number(n)).toBeGreaterThan(5);
      const sum = sessionOf(whole).machines.reduce((total, { recordings }) => total + (recordings[0]?.events ?? 0), 0);
      expect(Number(events[0]?.["n"])).toBe(sum);
    },
    guestTestTimeoutMs,
  );

  test(
    "is recovered, with all that had come, when the recorder was killed",
    async () => {
      const directory = `${base}/killed`;
      const recorder = await record(directory, async () => await mark("vm1", "vm2"));
      const last = (name: string, cpu: number): string => `${directory}/.spool/${name}/cpu${cpu}`;
      await eventually(
        () =>
          kinds.every(({ name }) =>
            sequence(0, cpus).every((cpu) => readFileSync(last(name, cpu)).includes(`MARK ${cpu} ${markers - 1}`)),
          ),
        "all markers are spooled",
        () => "",
        guestTestTimeoutMs,
      );
      await recorder.killHard();
      const end = await traceAgent("recover", directory);
      expect({ code: end.code, stderr: end.stderr }).toEqual({
        code: 74,
        stderr: expect.stringContaining("the recorder was killed"),
      });
      for (const { name } of kinds) expect(markersIn(`${directory}/${name}.dat`)).toEqual(all);
      expect(reportLines(`${directory}/host.dat`).length).toBeGreaterThan(100);
      expect(existsSync(`${directory}/.spool`)).toBeFalse();
    },
    guestTestTimeoutMs,
  );

  test(
    "is cut into segments, also while a guest's time is set: every marker is in one of them, and they balance with the kernel",
    async () => {
      const directory = `${base}/cut`;
      const segments = (name: string): readonly { file: string; events?: number | undefined }[] =>
        (sessionOf(directory).machines.find((machine) => machine.name === name)?.recordings ?? []).filter(
          ({ state }) => state !== "recording",
        );
      const rounds = 3;
      const work = async (): Promise<void> => {
        for (let round = 1; round <= rounds; round++) {
          await mark("vm1", "vm2");
          // An hour forwards while it is marked the next time, and back: of the clocks that are recorded it sets none.
          if (round < rounds) await guests.get("vm1")?.run(setTime(round === 1 ? 3600 : -3600));
          await eventually(
            () => kinds.every(({ name }) => segments(name).length >= round),
            `${round} cuts`,
            () => readFileSync(`${directory}/session.json`, "utf8"),
            guestTestTimeoutMs,
          );
        }
      };
      const recorder = await record(directory, work, "--rotate", "3s");
      recorder.kill("SIGINT");
      const end = await recorder.ended();
      expect({ code: end.code, stderr: end.code === 0 ? "" : end.stderr }).toEqual({ code: 0, stderr: "" });
      const stepped = sessionOf(directory).machines.flatMap(({ recordings }) => recordings.filter(({ step }) => step));
      expect(stepped).toEqual([]);
      const marked = sequence(0, cpus).map(() => sequence(0, rounds).flatMap(() => sequence(0, markers)));
      for (const name of ["host", "vm1", "vm2"]) {
        const found: number[][][] = [];
        for (const { file, events } of segments(name)) {
          const lines = reportLines(`${directory}/${file}`);
          expect({ file, shown: lines.length }).toEqual({ file, shown: events ?? -1 });
          found.push(markersOf(lines));
        }
        if (name !== "host")
          expect(sequence(0, cpus).map((cpu) => found.flatMap((ofFile) => ofFile[cpu] ?? []))).toEqual(marked);
      }
      const own = await traceAgent("report", directory, "--machine", "vm1");
      expect({ code: own.code, markers: own.stdout.match(/MARK \d+ \d+/g)?.length }).toEqual({
        code: 0,
        markers: cpus * rounds * markers,
      });
    },
    guestTestTimeoutMs,
  );

  test(
    "goes on when QEMU of a guest is killed, and tells it at once",
    async () => {
      const directory = `${base}/ends`;
      const recorder = await record(directory, async () => {
        await mark("vm2");
        process.kill(guests.get("vm2")?.pid ?? 0, "SIGKILL");
        const reasonOf = (name: string): string =>
          sessionOf(directory).machines.find((machine) => machine.name === name)?.recordings[0]?.reason ?? "";
        await eventually(
          () => reasonOf("vm2").includes("the VM has ended"),
          "the end of vm2 is in session.json",
          () => readFileSync(`${directory}/session.json`, "utf8"),
          guestTestTimeoutMs,
        );
        expect(stateOf(directory, "vm1")).toBe("recording");
        await mark("vm1");
      });
      recorder.kill("SIGINT");
      const end = await recorder.ended();
      expect({ code: end.code, stderr: end.stderr }).toEqual({
        code: 74,
        stderr: expect.stringContaining("vm2: the recording ended early: the VM has ended"),
      });
      const states = sessionOf(directory).machines.map(({ name, recordings }) => [name, recordings[0]?.state]);
      expect(Object.fromEntries(states)).toEqual({ host: "whole", vm1: "whole", vm2: "incomplete" });
      expect(markersIn(`${directory}/vm1.dat`)).toEqual(all);
    },
    guestTestTimeoutMs,
  );
});
