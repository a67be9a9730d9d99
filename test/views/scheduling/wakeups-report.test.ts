import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openTraceDat } from "../../../src/trace-dat/read/reader.ts";
import { finishExport } from "../../../src/views/exporter.ts";
import { exporters } from "../../support/exporters.ts";
import { fixturePath } from "../../fixtures/fixtures.ts";
import { executable } from "../../support/agent-process.ts";

const directory = mkdtempSync(join(tmpdir(), "trace-agent-wakeups-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function report(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(executable, ["report", ...args], { encoding: "utf8" });
  return { status, stdout, stderr };
}

describe("report --wakeups", () => {
  const path = fixturePath("linux-6.12");

  test("shows the longest latencies with waker and culprit, in 80 columns", () => {
    const { status, stdout } = report("--wakeups", "1", path);
    expect(status).toBe(0);
    expect(stdout).toContain(`LONGEST WAKE-UP LATENCIES (woken, until it runs)
         US         WOKEN AT   CPU  TASK [PRIO]
      664.4       163.159117     0  kworker/0:1-11 [120]
             woken by softirq TIMER on CPU 0, over trace-agent-496
             meanwhile CPU 0 ran trace-agent-496 [120] 664.4 us,
               of that 149.1 us in interrupts
`);
    expect(stdout.match(/woken by/g)?.length).toBe(1);
    expect(stdout.split("\n").filter(({ length }) => length > 80)).toEqual([]);
  });

  test("takes the number behind a space, behind = or not at all, and a file behind it", () => {
    const three = report("--wakeups", "3", path).stdout;
    expect(three.match(/woken by/g)?.length).toBe(3);
    expect(report("--wakeups=3", path).stdout).toBe(three);
    const ten = report("--wakeups", "10", path).stdout;
    expect(report("--wakeups", path).stdout).toBe(ten);
    expect(report(path, "--wakeups").stdout).toBe(ten);
  });

  test("as JSON has whole times and the same figures", () => {
    const { stdout } = report("--wakeups", "1", "--json", path);
    expect(stdout).toContain('"from":163159116');
    const [first] = (JSON.parse(stdout) as { longestWoken: unknown[] }).longestWoken;
    expect(first).toMatchObject({
      comm: "kworker/0:1",
      pid: 11,
      prio: 120,
      cpu: 0,
      waitNs: 664_396,
      waker: { comm: "trace-agent", pid: 496, interrupt: "softirq TIMER" },
      meanwhile: [{ comm: "trace-agent", pid: 496, prio: 120, ns: 664_396 }],
      meanwhileKnown: true,
    });
  });

  test("chooses tasks, and refuses what would leave out switches", () => {
    expect(report("--wakeups", "--comm", "kworker/0:1", path).stdout.match(/woken by/g)?.length).toBe(3);
    expect(report("--wakeups", "--pid", "496", path).stdout).not.toContain("woken by");
    const refused = report("--wakeups", "-e", "sched", path);
    expect([refused.status, refused.stdout]).toEqual([64, ""]);
    expect(refused.stderr).toContain("choose tasks with --pid or --comm");
    expect(report("--wakeups", "0", path).status).toBe(64);
    expect(report("--wakeups", "--stat", path).status).toBe(64);
  });

  test("says why it has nothing to show", () => {
    expect(report("--wakeups", fixturePath("case-old-clock-counter")).stdout).toMatch(/^no latencies: /);
    expect(report("--wakeups", "--json", fixturePath("linux-6.12-syscalls")).stdout).toContain('"none":"no latencies');
  });
});

test("a recording with losses has no latency that reaches over one", () => {
  const source = openTraceDat(fixturePath("linux-6.12-lost"));
  const parts: Buffer[] = [];
  const write = (part: Uint8Array): number => parts.push(Buffer.from(part));
  finishExport(exporters["wakeups-json"].begin([{ machine: "", buffer: "", source }], {}, write));
  source.close();
  const { lost, woken } = JSON.parse(Buffer.concat(parts).toString()) as { lost: number; woken: { maxNs: number } };
  expect(lost).toBe(2916);
  expect(woken.maxNs).toBeLessThan(1_000_000);
});

test("several machines have a report each, under their names", () => {
  const paths = ["a", "b"].map((name) => join(directory, `${name}.dat`));
  for (const path of paths) copyFileSync(fixturePath("linux-6.12"), path);
  const { stdout } = report("--wakeups", "1", ...paths);
  expect(stdout.match(/^\S+:$/gm)?.length).toBe(2);
  expect(stdout.match(/woken by/g)?.length).toBe(2);
  const { parts } = JSON.parse(report("--wakeups", "--json", ...paths).stdout) as {
    parts: { woken: { count: number } }[];
  };
  expect(parts.map(({ woken }) => woken.count)).toEqual([3, 3]);
});

test("--stat has the longest of each, in text and JSON; with a selection of events nothing that needs all", () => {
  const path = fixturePath("linux-6.12");
  expect(report("--stat", path).stdout).toContain("LONGEST TIMES ON A CPU WITHOUT A SWITCH");
  expect(report("--stat", "-e", "sched", path).stdout).not.toContain("LONGEST");
  const scheduling = (...args: string[]): unknown =>
    (JSON.parse(report("--stat", "--json", ...args, path).stdout) as { scheduling: unknown }).scheduling;
  expect(scheduling()).toMatchObject({ woken: { count: 3, maxNs: 664_396 } });
  expect(scheduling("--cpu", "0")).toBeNull();
});

test("the keys of --stat --json are those that src/views/README.md tells", () => {
  const readme = readFileSync(join(import.meta.dir, "../../../src/views/README.md"), "utf8");
  const [, table = ""] = /`--stat --json` writes one object[^]*?\n\n(\|[^]*?)\n\n/.exec(readme) ?? [];
  const told = [...table.matchAll(/^\| (`[^|]*`) \|/gm)].flatMap(([, keys = ""]) => keys.match(/\w+/g) ?? []);
  const keys = Object.keys(JSON.parse(report("--stat", "--json", fixturePath("linux-6.12")).stdout) as object);
  // No guests are told of by a recording that names none, and a lone one is placed on no host's clock.
  expect(keys.toSorted()).toEqual(told.filter((key) => key !== "guests" && key !== "offset").toSorted());
});
