/** The oldest kernel that guests have here, 5.10 of Debian 11: what it lacks is told, and is no failure. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sequence } from "../support/agent-fixture.ts";
import { executable } from "../support/agent-process.ts";
import { describeWithGuest, guestTestTimeoutMs } from "../support/describe-guest.ts";
import { markerProgram } from "../support/marker-program.ts";
import { RecorderProcess, traceAgent, traceAgentText } from "../support/recorder-process.ts";
import { settingsRestored } from "../support/tracing-state.ts";

const tracing = "/sys/kernel/tracing";
const cpus = [0, 1];
const scratch = mkdtempSync(join(tmpdir(), "trace-agent-old-kernel-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const files = { "/bin/trace-agent": executable, "/bin/markers": markerProgram() };

await describeWithGuest("a guest with kernel 5.10", { kernel: "5.10", cpus: cpus.length, files }, (guest) => {
  beforeAll(async () => {
    await (await guest().spawn("exec trace-agent")).says("armed: CPUs 0-1");
  }, guestTestTimeoutMs);

  test(
    "has nothing that check warns of, and shows its state",
    async () => {
      const lines = (await guest().text("trace-agent check")).split("\n");
      expect(lines.filter((line) => !line.startsWith("ok "))).toEqual([]);
      expect(await traceAgentText("status", guest().directory)).toContain(`Linux ${guest().kernel.release}`);
    },
    guestTestTimeoutMs,
  );

  test(
    "is recorded: every marker once and in order, scheduling with the names of tasks, and it is as it was before",
    async () => {
      const output = join(scratch, "old.dat");
      await guest().run(`echo 4096 >${tracing}/buffer_size_kb`);
      const settings = `cat ${tracing}/set_event ${tracing}/trace_clock ${tracing}/buffer_size_kb ${tracing}/tracing_on`;
      const before = await guest().text(settings);
      const recorder = new RecorderProcess(["record", guest().directory, "-e", "sched", "-C", "mono", "-o", output]);
      await recorder.recording(output);
      await guest().run(`for cpu in 0 1; do markers ${tracing}/trace_marker $cpu 0 1000; done`);
      recorder.kill("SIGINT");
      expect(await recorder.ended()).toMatchObject({ code: 0 });
      await settingsRestored(guest());
      expect(await guest().text(settings)).toBe(before);
      const report = await traceAgentText("report", output);
      for (const cpu of cpus) {
        const numbers = [...report.matchAll(new RegExp(`MARK ${cpu} (\\d+)`, "g"))].map(([, number]) => Number(number));
        expect(numbers).toEqual(sequence(0, 1000));
      }
      expect(report).toMatch(/^ *markers-\d+ .* sched_switch: /m);
      expect(report).not.toContain("[FAILED TO PARSE]");
    },
    guestTestTimeoutMs,
  );

  test(
    "lacks a file of tracefs, and does not give another: that is told, and is no failure",
    async () => {
      // Since 6.8; before, a sub-buffer is a page.
      expect(await guest().text(`ls ${tracing}`)).not.toContain("buffer_subbuf_size_kb");
      // Reading it fails, as that of a file which another kernel does not have.
      await guest().run(`mount --bind /proc/1/mem ${tracing}/saved_tgids`);
      const output = join(scratch, "lacking.dat");
      const recorder = new RecorderProcess(["record", guest().directory, "-o", output]);
      await recorder.recording(output);
      await guest().run(`markers ${tracing}/trace_marker 1 0 100`);
      recorder.kill("SIGINT");
      const { code, stderr } = await recorder.ended();
      await guest().run(`umount ${tracing}/saved_tgids`);
      expect(stderr).toContain("its agent gave no saved_tgids: EIO");
      expect(code).toBe(0);
      const report = await traceAgentText("report", output);
      expect([...report.matchAll(/MARK 1 (\d+)/g)].map(([, number]) => Number(number))).toEqual(sequence(0, 100));
    },
    guestTestTimeoutMs,
  );

  test(
    "refuses the clock that it does not have yet, and says which it has",
    async () => {
      const { code, stderr } = await traceAgent(
        "record",
        guest().directory,
        "-C",
        "tai",
        "-o",
        join(scratch, "tai.dat"),
      );
      expect(await guest().text(`cat ${tracing}/trace_clock`)).not.toContain("tai");
      expect(stderr).toContain("tai");
      expect(stderr).toContain("mono_raw");
      expect(code).toBe(69);
    },
    guestTestTimeoutMs,
  );
});
