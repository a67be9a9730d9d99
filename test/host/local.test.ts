/** `record --local`: this machine's own kernel, through the same agent, protocol, recorder and file as a guest. */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { readMetadata } from "../../src/trace-dat/spool/metadata-read.ts";
import { eventually, executable } from "../support/agent-process.ts";
import { whyNoTools } from "../support/packages.ts";
import { reasonWithoutTracefs } from "../support/tracefs.ts";
import { RecorderProcess, traceAgent, traceAgentText } from "../support/recorder-process.ts";
import { linesIn, recordingCounts, reportLines, reportStats, statText, traceCmd } from "../support/trace-cmd.ts";

const base = mkdtempSync(`${tmpdir()}/ta-local-`);
afterAll(() => rmSync(base, { recursive: true }));
const reason = reasonWithoutTracefs() ?? (await whyNoTools("trace-cmd"));
if (reason !== undefined) console.log(`skipped: record --local: ${reason}`);

/** Others on this machine may record it too. */
const hasInstance = ({ pid }: RecorderProcess): boolean =>
  existsSync(`/sys/kernel/tracing/instances/trace-agent-${pid}`);

/** Each is some events of sched. */
function runProcesses(): void {
  for (let count = 0; count < 30; count++) Bun.spawnSync(["true"]);
}

/** One of each of them. */
const ofProcesses = ["-e", "sched:sched_process_exec", "-e", "sched:sched_process_fork"];

describe.skipIf(reason !== undefined)("record --local", () => {
  test("says once what its agent lacks, and leaves nothing in tracefs", async () => {
    const command = ["prlimit", "--nofile=24", executable, "record", "--local", "-e", "sched", "-o", `${base}/few.dat`];
    const limited = Bun.spawn(command, { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
    const stderr = await limited.stderr.text();
    expect(stderr).toMatch(/^trace-agent: error: cannot serve \d+ CPUs? with 24 file descriptors: .*\n$/);
    expect(await limited.exited).toBe(69);
    expect(existsSync(`/sys/kernel/tracing/instances/trace-agent-${limited.pid}`)).toBe(false);
  });

  for (const format of ["v6", "v7"]) {
    test(`writes every event of this machine into a ${format} file that trace-cmd reads, and leaves nothing in tracefs`, async () => {
      const output = `${base}/${format}.dat`;
      const recorder = new RecorderProcess([
        "record",
        "--local",
        "-e",
        "sched",
        "-e",
        "irq",
        "-b",
        "16384",
        "--format",
        format,
        "-o",
        output,
      ]);
      await recorder.recording(output);
      runProcesses();
      recorder.kill("SIGINT");
      expect(await recorder.ended()).toMatchObject({ code: 0, stderr: "" });
      expect(traceCmd("dump", "-v", "-i", output)).toContain("is a valid trace-cmd file");
      const theirs = traceCmd("report", "-i", output);
      const lines = linesIn(theirs, output);
      const stat = statText(output);
      expect(lines.filter(({ text }) => text.startsWith("sched_switch:")).length).toBeGreaterThan(20);
      expect(
        [...reportStats(output, stat).values()].map(({ entries }) => entries).filter((entries) => entries !== 0),
      ).toEqual([]);
      for (const [cpu, { events, overrun }] of recordingCounts(output, stat)) {
        const reported = lines.filter((line) => line.cpu === cpu).length;
        expect({ cpu, reported, overrun }).toEqual({ cpu, reported: events, overrun: 0 });
      }
      expect(hasInstance(recorder)).toBe(false);
      // Its own report reads it too, and shows the same events.
      const heads = /^ *(\S.*-\d+) +\[(\d+)\] +(\d+\.\d+): (\w+):/gm;
      const own = await traceAgentText("report", output);
      expect([...own.matchAll(heads)].length).toBe(lines.length);
      expect([...own.matchAll(heads)].map((head) => head.slice(1))).toEqual(
        [...theirs.matchAll(heads)].map((head) => head.slice(1)),
      );
    }, 300_000);
  }

  test("ends on Ctrl-C with all that it had, and a killed one is recovered and cleaned up after", async () => {
    const output = `${base}/signals.dat`;
    const recorder = new RecorderProcess(["record", "--local", ...ofProcesses, "-o", output]);
    await recorder.recording(output);
    runProcesses();
    recorder.kill("SIGINT");
    expect((await recorder.ended()).code).toBe(0);
    expect(hasInstance(recorder)).toBe(false);
    expect(reportLines(output).length).toBeGreaterThan(20);

    const killed = new RecorderProcess([
      "record",
      "--local",
      ...ofProcesses,
      "--delay",
      "50",
      "-o",
      `${base}/killed.dat`,
    ]);
    await killed.recording(`${base}/killed.dat`);
    // So many events of sched_process_exec at least, in whole sub-buffers or not. A busy machine may overwrite some.
    const spool = `${base}/killed.dat.spool`;
    const spooled = (): number =>
      readdirSync(spool)
        .filter((name) => /^cpu\d+$/.test(name))
        .reduce((sum, name) => sum + (readFileSync(`${spool}/${name}`, "latin1").match(/\/true\0/g)?.length ?? 0), 0);
    await eventually(() => (runProcesses(), spooled() > 20), "events reach the spool");
    await killed.killHard();
    const recovered = await traceAgent("recover", `${base}/killed.dat.spool`, "-o", `${base}/killed.dat`, "--remove");
    expect({ code: recovered.code, stderr: recovered.stderr }).toEqual({
      code: 74,
      stderr: expect.stringContaining("its recorder was killed"),
    });
    expect(reportLines(`${base}/killed.dat`).length).toBeGreaterThan(20);
    expect(existsSync(`${base}/killed.dat.spool`)).toBe(false);

    await traceAgentText("record", "--local", ...ofProcesses, "-d", "0.2", "-o", output);
    // Its own agent takes it away, or this recorder does, or another of this machine's.
    await eventually(() => !hasInstance(killed), "its instance is taken away");
  }, 300_000);

  test("says that it needs an event, and what the kernel has against one", async () => {
    expect(await traceAgent("record", "--local", "-o", `${base}/none.dat`)).toMatchObject({ code: 64 });
    const recorder = new RecorderProcess(["record", "--local", "-e", "no_such_event", "-o", `${base}/none.dat`]);
    const { code, stderr } = await recorder.ended();
    expect(code).toBe(69);
    expect(stderr).toContain('this machine has no event "no_such_event"');
    expect(readdirSync(base).filter((name) => name.startsWith("none"))).toEqual([]);
    expect(hasInstance(recorder)).toBe(false);
  }, 300_000);

  test("trace-agent metadata writes what --metadata takes", async () => {
    const process = Bun.spawn([executable, "metadata"], { stdout: "pipe", stderr: "pipe" });
    const metadata = readMetadata(new Uint8Array(await new Response(process.stdout).arrayBuffer()), "this machine");
    expect(await process.exited).toBe(0);
    const format = metadata.formats.find(({ system, event }) => system === "sched" && event === "sched_switch");
    expect(format?.text).toContain("name: sched_switch\n");
    expect(metadata.headerPage).toContain("commit");
    expect(metadata.cpus).toBeGreaterThan(0);
  }, 300_000);
});
