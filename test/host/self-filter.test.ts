/** `--local` and the events of the recorder and its agent: left out but for sched_switch and sched_waking, and --no-filter. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { filterAgainst } from "../../src/host/self-filter.ts";
import { eventually, executable } from "../support/agent-process.ts";
import { inQuickForm } from "../support/quick.ts";
import { RecorderProcess, traceAgentText } from "../support/recorder-process.ts";
import { reasonWithoutTracefs } from "../support/tracefs.ts";

/** Runs of the executable take long on a loaded machine. */
setDefaultTimeout(300_000);

const base = mkdtempSync(`${tmpdir()}/ta-self-`);
afterAll(() => rmSync(base, { recursive: true }));
const reason = reasonWithoutTracefs();
if (reason !== undefined) console.error(`skipped: the recorder's own events: ${reason}`);

function agentOf(recorder: number): number | undefined {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .find((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
        return words.includes("local-agent") && words.includes(`trace-agent-${recorder}`);
      } catch {
        return false;
      }
    });
}

/** None of a process that has ended. */
function threadsOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number);
  } catch {
    return [];
  }
}

/** What is looked at of a recording, at its end. Its threads wake some ten times in it. */
const settledMs = inQuickForm(500, 1000);

type Shown = { event: string; time: number; pid: number; fields: Record<string, number> };

/** Those that the recorder has set, of the events that it does not record whole. */
function filtersIn(recorder: number): string[] {
  const events = `/sys/kernel/tracing/instances/trace-agent-${recorder}/events`;
  const names = readdirSync(`${events}/sched`).filter((name) => name.startsWith("sched_"));
  const filtered = names.filter((name) => name !== "sched_switch" && name !== "sched_waking");
  const files = [...filtered.map((name) => `sched/${name}`), "raw_syscalls/sys_enter", "kmem/kmalloc"];
  return files.map((file) => readFileSync(`${events}/${file}/filter`, "latin1").trim());
}

/** Events of the recorder and its agent in a recording of this machine, without those of its beginning. */
async function ownEvents(...options: string[]): Promise<Set<string>> {
  const keepsAll = options.includes("--no-filter");
  const output = `${base}/${options.join("")}.dat`;
  const events = ["-e", "sched", "-e", "raw_syscalls", "-e", "kmem:kmalloc"];
  const recorder = new RecorderProcess(["record", "--local", ...events, "-b", "16384", ...options, "-o", output]);
  await recorder.recording(output);
  const agent = agentOf(recorder.pid) ?? 0;
  let threads: number[] = [];
  await eventually(() => {
    threads = [...threadsOf(recorder.pid), ...threadsOf(agent)].sort((x, y) => x - y);
    return keepsAll || filtersIn(recorder.pid).every((text) => text === filterAgainst(threads));
  }, "the filters name all threads");
  await Bun.sleep(settledMs + 500); // To record what both do meanwhile.
  recorder.kill("SIGINT");
  expect((await recorder.ended()).code).toBe(0);
  const own = ["--pid", threads.join(",")];
  const all = (await traceAgentText("report", "--json", ...own, output))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Shown)
    // Some tell of a loss, which a busy machine may have.
    .filter(({ fields }) => (fields as unknown) !== undefined);
  const end = all.at(-1)?.time ?? 0;
  const settled = all.filter(({ time, pid }) => time > end - settledMs * 1e6 && threads.includes(pid));
  return new Set(settled.map(({ event }) => event));
}

describe.skipIf(reason !== undefined)("record --local", () => {
  test("leaves out what it and its agent cause, but for whole sched_switch and sched_waking", async () => {
    const kinds = await ownEvents();
    expect([...kinds].sort()).toEqual(["sched_switch", "sched_waking"]);
  });

  test("keeps all of it with --no-filter", async () => {
    const kinds = await ownEvents("--no-filter");
    for (const kind of ["sched_switch", "sched_waking", "sys_enter", "sys_exit", "kmalloc"])
      expect([...kinds]).toContain(kind);
  });

  test("explains an empty recording by filters of the user, never by its own", async () => {
    const nothing = ["record", "--local", "-d", "0.2", "-o", `${base}/empty.dat`, "-e", "sched:sched_process_hang"];
    expect(await traceAgentText(...nothing)).toContain("nothing was found that keeps events out");
    const told = await traceAgentText(...nothing, "-f", "pid == 1");
    expect(told).toContain("sched:sched_process_hang has a filter: pid == 1\n");
  });

  test("keeps a switch from one of its own threads to another", async () => {
    const output = `${base}/one-cpu.dat`;
    // On one CPU, and before all others: no thread of another program comes between two of its own.
    const pinned = ["-c", "0", "chrt", "--rr", "1"];
    const args = [executable, "record", "--local", "-e", "sched", "-d", inQuickForm("1", "2"), "-o", output];
    const recorder = Bun.spawn(["taskset", ...pinned, ...args], { stdout: "ignore", stderr: "ignore" });
    let threads = new Set<number>();
    await eventually(() => {
      const agent = agentOf(recorder.pid);
      if (agent !== undefined) threads = new Set([...threads, ...threadsOf(recorder.pid), ...threadsOf(agent)]);
      return recorder.exitCode !== null || threads.size > 8;
    }, "both run");
    expect(await recorder.exited).toBe(0);
    const lines = (await traceAgentText("report", "--json", "-e", "sched_switch", output)).trimEnd().split("\n");
    const among = lines
      .map((line) => JSON.parse(line) as Partial<Shown>)
      // A line that tells of a loss, which a busy machine may have, has no fields.
      .filter(({ fields = {} }) => threads.has(fields["prev_pid"] ?? 0) && threads.has(fields["next_pid"] ?? 0));
    expect(among.length).toBeGreaterThan(0);
  });
});

test("filterAgainst() names threads by ranges", () => {
  expect(filterAgainst([5])).toBe("common_pid != 5");
  expect(filterAgainst([5, 6, 7, 9, 20, 21])).toBe(
    "(common_pid < 5 || common_pid > 7) && common_pid != 9 && (common_pid < 20 || common_pid > 21)",
  );
});
