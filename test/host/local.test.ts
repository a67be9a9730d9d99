/** `record --local`: this machine's own kernel, through the same agent, protocol, recorder and file as a guest. */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { readMetadata } from "../../src/host/metadata-read.ts";
import { executable } from "../support/agent-process.ts";
import { whyNoTools } from "../support/packages.ts";
import { reasonWithoutTracefs } from "../support/tracefs.ts";
import { RecorderProcess, traceAgent, traceAgentText } from "./support/recorder-process.ts";
import { reportLines, reportStats, traceCmd } from "./support/trace-cmd.ts";

const base = mkdtempSync(`${tmpdir()}/ta-local-`);
afterAll(() => rmSync(base, { recursive: true }));
const reason = reasonWithoutTracefs() ?? (await whyNoTools("trace-cmd"));
if (reason !== undefined) console.log(`skipped: record --local: ${reason}`);

/** Others on this machine may record it too. */
const hasInstance = ({ pid }: RecorderProcess): boolean => existsSync(`/sys/kernel/tracing/instances/trace-agent-${pid}`);

describe.skipIf(reason !== undefined)("record --local", () => {
  for (const format of ["v6", "v7"]) {
    test(`writes every event of this machine into a ${format} file that trace-cmd reads, and leaves nothing in tracefs`, async () => {
      const output = `${base}/${format}.dat`;
      const recorder = new RecorderProcess(["record", "--local", "-e", "sched", "-e", "irq", "-b", "16384", "-d", "1", "--format", format, "-o", output]);
      expect(await recorder.ended()).toMatchObject({ code: 0, stderr: "" });
      expect(traceCmd("dump", "-v", "-i", output)).toContain("is a valid trace-cmd file");
      const lines = reportLines(output);
      expect(lines.filter(({ text }) => text.startsWith("sched_switch:")).length).toBeGreaterThan(20);
      for (const [cpu, { readEvents, entries, overrun }] of reportStats(output)) {
        expect({ cpu, reported: lines.filter((line) => line.cpu === cpu).length, entries, overrun }).toEqual({ cpu, reported: readEvents, entries: 0, overrun: 0 });
      }
      expect(hasInstance(recorder)).toBe(false);
    }, 60_000);
  }

  test("ends on Ctrl-C with all that it had, and a killed one is recovered and cleaned up after", async () => {
    const output = `${base}/signals.dat`;
    const recorder = new RecorderProcess(["record", "--local", "-e", "sched", "-o", output]);
    await recorder.recording(output);
    await Bun.sleep(300);
    recorder.kill("SIGINT");
    expect((await recorder.ended()).code).toBe(0);
    expect(hasInstance(recorder)).toBe(false);
    expect(reportLines(output).length).toBeGreaterThan(20);

    const killed = new RecorderProcess(["record", "--local", "-e", "sched", "-o", `${base}/killed.dat`]);
    await killed.recording(`${base}/killed.dat`);
    await Bun.sleep(1500);
    await killed.killHard();
    await traceAgentText("recover", `${base}/killed.dat.spool`, "-o", `${base}/killed.dat`);
    expect(reportLines(`${base}/killed.dat`).length).toBeGreaterThan(20);
    expect(existsSync(`${base}/killed.dat.spool`)).toBe(false);

    await traceAgentText("record", "--local", "-e", "sched", "-d", "0.2", "-o", output);
    expect(hasInstance(killed)).toBe(false);
  }, 60_000);

  test("says that it needs an event, and what the kernel has against one", async () => {
    expect(await traceAgent("record", "--local", "-o", `${base}/none.dat`)).toMatchObject({ code: 64 });
    const recorder = new RecorderProcess(["record", "--local", "-e", "no_such_event", "-o", `${base}/none.dat`]);
    const { code, stderr } = await recorder.ended();
    expect(code).toBe(69);
    expect(stderr).toContain('refused order "set events no_such_event"');
    expect(readdirSync(base).filter((name) => name.startsWith("none"))).toEqual([]);
    expect(hasInstance(recorder)).toBe(false);
  }, 60_000);

  test("trace-agent metadata writes what --metadata takes", async () => {
    const process = Bun.spawn([executable, "metadata"], { stdout: "pipe", stderr: "pipe" });
    const metadata = readMetadata(new Uint8Array(await new Response(process.stdout).arrayBuffer()), "this machine");
    expect(await process.exited).toBe(0);
    expect(metadata.files["events/sched/sched_switch/format"]).toContain("name: sched_switch\n");
    expect(metadata.files["events/header_page"]).toContain("commit");
    expect(metadata.cpus).toBeGreaterThan(0);
  }, 60_000);
});
