/**
 * A guest panics while a recorder keeps its last seconds: the ring is outside, so what led to the panic is there but for what the agent had not
 * handed over, which is no older than its latency.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { executable } from "../support/agent-process.ts";
import { describeWithGuest, guestTestTimeoutMs } from "../support/describe-guest.ts";
import { setTime } from "../support/guest.ts";
import { isLong } from "../support/long.ts";
import { markerProgram } from "../support/marker-program.ts";
import { prepareGuest } from "../support/prepared-guest.ts";
import { RecorderProcess, traceAgentText } from "../support/recorder-process.ts";
import { recording, sessionOf } from "../support/fake-machines.ts";

const base = mkdtempSync(`${tmpdir()}/trace-agent-panic-`);
afterAll(() => rmSync(base, { recursive: true }));
const tracing = "/sys/kernel/tracing";
const files = { "/bin/trace-agent": executable, "/bin/markers": markerProgram() };
const cpus = [0, 1];
const perSecond = 200;
/** Beyond its latency, on a machine that has time for it. */
const moreMs = 100;
/** On any machine: no measure of anything. */
const mostMs = isLong ? moreMs : 20_000;

for (const latencyMs of [500, 50]) {
  const directory = `${base}/${latencyMs}/vm`;
  mkdirSync(`${base}/${latencyMs}`);
  const prepared = prepareGuest(directory, cpus.length, "fifo");
  await describeWithGuest(
    `a 6.12 guest that panics, with a latency of ${latencyMs} ms`,
    { kernel: "6.12", cpus: cpus.length, memoryMb: 640, prepared, files },
    (guest) => {
      beforeAll(async () => {
        const agent = await guest().spawn("exec trace-agent");
        await agent.says("armed: ");
      }, guestTestTimeoutMs);

      test(
        "leaves a snapshot with all of its last seconds but the last latency",
        async () => {
          const out = `${base}/out-${latencyMs}`;
          const ring = ["--last", "60s", "--on", "guest-gone", "--delay", `${latencyMs}`, "-o", out];
          const recorder = new RecorderProcess([
            "record",
            directory,
            "-e",
            "irq:softirq_raise",
            "-C",
            "local",
            ...ring,
          ]);
          await recording({ out }, ["vm"]);
          const markers = (cpu: number, first: number, count: number): string =>
            `markers ${tracing}/trace_marker ${cpu} ${first} ${count} ${perSecond}`;
          // So many are there however slow the guest is; those of its last seconds come after them.
          // Somebody who sets the guest's time meanwhile changes none of that.
          const marking = cpus.map((cpu) => `${markers(cpu, 0, perSecond)} &`).join(" ");
          await guest().run(`${marking} ${setTime(3600)}; wait; ${setTime(-3600)}`);
          for (const cpu of cpus) await guest().spawn(`exec ${markers(cpu, perSecond, 1_000_000)}`);
          // The log's clock and the trace's have other beginnings: one moment of both. What lies between the two counts against us.
          await guest().run(`echo "<2>one moment" >/dev/kmsg; echo "one moment" >${tracing}/trace_marker`);
          await guest().spawn("sleep 4; echo c >/proc/sysrq-trigger");
          const end = await recorder.ended();
          expect(end.stderr).toContain("a snapshot was taken");
          const [snapshot] = sessionOf({ out }).machines[0]?.recordings ?? [];
          const text = await traceAgentText("report", `${out}/${snapshot?.file}`, "-e", "print");
          const logged = (what: string): number =>
            Number(new RegExp(String.raw`\[ *(\d+\.\d+)\] ${what}`).exec(guest().console())?.[1]);
          const moment = Number(/ (\d+\.\d+): print: .*one moment/.exec(text)?.[1]);
          const panicked = logged("sysrq: Trigger a crash") + moment - logged("one moment");
          for (const cpu of cpus) {
            const marks = [...text.matchAll(new RegExp(String.raw` (\d+\.\d+): print: .*MARK ${cpu} (\d+)`, "g"))];
            const numbers = marks.map(([, , number]) => Number(number));
            expect(numbers.length).toBeGreaterThan(perSecond / 2);
            // Not one is missing between the first and the last.
            expect(numbers).toEqual(Array.from(numbers, (_, index) => (numbers[0] ?? 0) + index));
            const missingMs = (panicked - Number(marks.at(-1)?.[1])) * 1000;
            console.error(
              `latency ${latencyMs} ms, CPU ${cpu}: ${numbers.length} markers, none of the last ${missingMs.toFixed(0)} ms`,
            );
            expect(missingMs).toBeLessThan(latencyMs + mostMs);
          }
        },
        guestTestTimeoutMs,
      );
    },
  );
}
