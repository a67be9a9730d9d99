/** What `-F` makes of kernel stacks, which belong to the event before them. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { noRecordingReason, recordLocally } from "../../support/local-recording.ts";
import { ourReport } from "../../support/trace-cmd-report.ts";

type Shown = { event?: string; cpu: number };

const reason = noRecordingReason();
if (reason !== undefined) console.log(`skipped: stacks of a recording of this machine: ${reason}`);

test.skipIf(reason !== undefined)(
  "-F shows the kernel stack behind an event that it picks, and no other",
  () => {
    const directory = mkdtempSync(join(tmpdir(), "trace-agent-stacks-"));
    try {
      const path = join(directory, "stacks.dat");
      recordLocally(path, {
        events: ["sched/sched_switch", "sched/sched_waking"],
        bufferKb: 4096,
        workload: "echo 1 > $I/options/stacktrace; for i in 1 2 3 4 5; do sleep 0.02; done",
      });
      const eventsOf = (filters: readonly string[]): Shown[] =>
        ourReport(path, { form: "json", filters })
          // A name that the file's table lacks is learned from the events that are shown, as trace-cmd does it.
          .replace(/^(\{"cpu":\d+,"time":\d+,)"comm":"(?:[^"\\]|\\.)*",/gm, "$1")
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line) as Shown)
          .filter(({ event }) => event !== undefined);
      const before = new Map<number, string | undefined>();
      const wanted = eventsOf([]).filter(({ event, cpu }) => {
        const isPicked = event === "sched_waking" || (event === "kernel_stack" && before.get(cpu) === "sched_waking");
        before.set(cpu, event);
        return isPicked;
      });
      expect(wanted.filter(({ event }) => event === "kernel_stack").length).toBeGreaterThan(5);
      expect(eventsOf(["sched_waking"])).toEqual(wanted);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  },
  300_000,
);
