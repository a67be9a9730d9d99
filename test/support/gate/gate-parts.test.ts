/** What the gate believes of a test process: a gate that counts wrongly is worse than none. */
import { afterAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { whyNoSmallDisk } from "../small-disk.ts";
import { testUnless } from "../test-unless.ts";
import { filesUnder, projectFolder, reaches } from "../imports.ts";
import { GroupFolder, removeLeftFolders } from "./group-folder.ts";
import { groupsOf, type Selection } from "./groups.ts";
import { mayRunPrograms } from "./memory-folder.ts";
import { runInLanes } from "./lanes.ts";
import { runLimited } from "./run-limited.ts";
import { forbiddenSkips, parseSkips, readAllowedSkips } from "./skips.ts";
import { reportOf, type TestReport } from "./test-report.ts";
import { type GroupTime, slowness, timeTable } from "./times.ts";

const folder = mkdtempSync(join(tmpdir(), "trace-agent-gate-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a test file of this text as the gate does. */
async function reportOn(text: string, limitMs = 240_000): Promise<TestReport> {
  const file = join(folder, `${Bun.hash(text).toString(36)}.test.ts`);
  writeFileSync(file, `import { expect, test } from "bun:test";\n${text}\n`);
  // One that dies leaves its temporary files. Not shown: the reader of the gate's output would take these for failures of ours.
  return reportOf(await runLimited([process.execPath, "test", file], { limitMs, env: { TMPDIR: folder } }));
}

/** Of all processes of this machine. */
function commandLines(): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "latin1");
      } catch {
        return "";
      }
    });
}

const good = 'test("is good", () => {});';

test("tests that pass, fail and are skipped are counted, and the failure is kept with its words", async () => {
  const report = await reportOn(`${good} test.skip("later", () => {}); test("is bad", () => { expect(1).toBe(2); });`);
  expect(report).toMatchObject({ passed: 1, failed: 1, skipped: 1 });
  expect(report.failures.join("\n")).toContain("Expected: 2");
  expect(report.failures.join("\n")).toContain("(fail) is bad");
});

test("failures and skips that Bun repeats at the end are each told once, with the file of the skip", async () => {
  const many = Array.from({ length: 30 }, (_, index) => `test("is good ${index}", () => {});`).join("\n");
  const report = await reportOn(
    `${many} test.skip("later", () => {}); test("is bad", () => { expect(1).toBe(2); }); test.skip("never", () => {});`,
  );
  expect(report).toMatchObject({ passed: 30, failed: 1, skipped: 2 });
  expect(report.failures).toHaveLength(1);
  expect(report.skippedTests.map(({ name }) => name)).toEqual(["later", "never"]);
  expect(report.skippedTests[0]?.file).toEndWith(".test.ts");
});

test("a file that cannot be loaded is a failure", async () => {
  const report = await reportOn(`${good} throw new Error("not loaded");`);
  expect(report.failed).toBeGreaterThan(0);
  expect(report.failures.join("\n")).toContain("not loaded");
});

test("a process that dies in a test is a failure, whatever it printed before", async () => {
  const report = await reportOn(`${good} test("dies", () => process.kill(process.pid, "SIGKILL"));`);
  expect(report).toMatchObject({ passed: 1, failed: 1 });
});

test("a process that ends in a test with code 0 is a failure", async () => {
  const report = await reportOn(`${good} test("leaves", () => process.exit(0));`);
  expect(report.failed).toBe(1);
});

test("a process that hangs is killed with its children and is a failure", async () => {
  const marker = `61${process.pid}`;
  const hang = `Bun.spawn(["sleep", "${marker}"], { stdout: "inherit" }); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);`;
  // With a longer limit where the good test has not passed by then: how slow the machine is at that moment nobody can tell.
  let report: TestReport | undefined;
  for (let limitMs = 3_000; report?.passed !== 1 && limitMs < 200_000; limitMs *= 3)
    report = await reportOn(`${good} test("hangs", () => { ${hang} });`, limitMs);
  expect(report).toMatchObject({ passed: 1, failed: 1 });
  expect(report?.failures.join("\n")).toContain("over its time limit");
  expect(commandLines()).not.toContain(`sleep\0${marker}\0`);
});

test("a process that left the group and holds its output does not hold the gate", async () => {
  const file = join(folder, "left");
  const script = `setsid sh -c 'echo $$ >"$1"; exec sleep 600' sh "$1" & until [ -s "$1" ]; do sleep 0.01; done; echo whole`;
  try {
    const { output, exitCode } = await runLimited(["sh", "-c", script, "sh", file], {
      limitMs: 240_000,
      outputLimitMs: 1_000,
    });
    expect(exitCode).toBe(0);
    expect(output).toStartWith("whole\nits output is held open");
  } finally {
    process.kill(Number(readFileSync(file, "latin1")), "SIGKILL");
  }
});

test("what tests print on standard output, which may come behind the counts, changes none of them", () => {
  const errors = "\na.test.ts:\n(pass) a\n(skip) b\n\n 1 pass\n 1 skip\n 0 fail\nRan 2 tests across 1 file. [1.00ms]\n";
  const late = "a table\n\n 7 pass\n\nof a test\n";
  const run = { output: errors + late, errors, exitCode: 0, timedOut: false, wallSeconds: 1, cpuSeconds: 1 };
  expect(reportOf(run)).toMatchObject({ passed: 1, failed: 0, skipped: 1, skippedTests: [{ file: "a.test.ts" }] });
});

describe("the folder of a group", () => {
  test("is its TMPDIR, which other users may use, and goes with all that a killed one left", async () => {
    const group = new GroupFolder(folder);
    const script = `touch "$TMPDIR/file"; mkdir "$TMPDIR/deep"; touch "$TMPDIR/deep/file"; mkdir "$TMPDIR/bun-cc-0"; kill -9 $$`;
    const { exitCode } = await runLimited(["sh", "-c", script], { limitMs: 240_000, env: group.environment });
    expect(exitCode).toBe(137);
    expect(group.left.sort()).toEqual(["deep", "file"]);
    expect([group.path, group.logs].map((path) => statSync(path).mode & 0o7777)).toEqual([0o1777, 0o700]);
    group.remove();
    expect(existsSync(group.path)).toBe(false);
  });

  testUnless(
    whyNoSmallDisk(),
    "is removed with a disk that is mounted there, and without what that holds elsewhere",
    () => {
      const group = new GroupFolder(folder);
      mkdirSync(join(folder, "kept"));
      writeFileSync(join(folder, "kept/file"), "");
      const place = join(group.path, "a place");
      mkdirSync(place);
      expect(Bun.spawnSync(["mount", "--bind", join(folder, "kept"), place]).exitCode).toBe(0);
      group.remove();
      expect([existsSync(group.path), existsSync(join(folder, "kept/file"))]).toEqual([false, true]);
    },
  );

  test("of a gate that was killed is removed by the next one, and that of one that runs is not", async () => {
    const ended = Bun.spawn(["true"]);
    await ended.exited;
    const group = new GroupFolder(folder);
    const gone = [`ta-gate-${ended.pid}-x`, `copy-${ended.pid}-x`];
    const stays = [`ta-gate-${process.ppid}-x`, "ta-gate-x", `copy-${process.ppid}-x`, "copy-x"];
    for (const name of [...gone, ...stays]) mkdirSync(join(folder, name));
    removeLeftFolders({ parent: folder });
    expect([...gone, ...stays].filter((name) => existsSync(join(folder, name)))).toEqual(stays);
    expect(existsSync(group.path)).toBe(true);
    removeLeftFolders({ parent: folder, own: true });
    expect(existsSync(group.path)).toBe(false);
  });
});

test("temporary files lie in memory where programs may run there", () => {
  const shm = (options: string): string => `tmpfs /dev/shm tmpfs ${options} 0 0\n`;
  const root = "/dev/vda / ext4 rw,noexec 0 0\n";
  expect(mayRunPrograms(root + shm("rw,nosuid,size=4k"))).toBe(true);
  expect(mayRunPrograms(root + shm("rw,nosuid,noexec"))).toBe(false);
  expect(mayRunPrograms(shm("rw") + shm("rw,noexec"))).toBe(false);
  expect(mayRunPrograms(root)).toBe(false);
});

test("two streams of a process do not cut each other's lines, and its time is told", async () => {
  const script = `for (let i = 0; i < 2000; i++) { process.stdout.write("out "); process.stderr.write("err "); 
    process.stdout.write(i + "\\n"); process.stderr.write(i + "\\n"); }`;
  const { output, wallSeconds, cpuSeconds } = await runLimited([process.execPath, "-e", script], { limitMs: 240_000 });
  const lines = output.trimEnd().split("\n");
  expect(lines.filter((line) => !/^(out|err) \d+$/.test(line))).toEqual([]);
  expect(lines).toHaveLength(4000);
  expect(cpuSeconds).toBeGreaterThan(0);
  expect(wallSeconds).toBeGreaterThan(0);
});

describe("skips", () => {
  const allowed = parseSkips("# why\n\na.test.ts | is one | no root\nb.test.ts | group > * | no CPU\n");

  test("that the list names are allowed, a name with a star by its beginning", () => {
    const skipped = [
      { file: "a.test.ts", name: "is one" },
      { file: "b.test.ts", name: "group > any" },
    ];
    expect(forbiddenSkips(skipped, allowed)).toEqual([]);
  });

  test("of another file or name are not", () => {
    const skipped = [
      { file: "a.test.ts", name: "is one more" },
      { file: "b.test.ts", name: "is one" },
      { file: "b.test.ts", name: "gro" },
    ];
    expect(forbiddenSkips(skipped, allowed)).toEqual(skipped);
  });

  test("without a reason are not listed: the list is refused", () => {
    for (const line of ["a.test.ts | is one", "a.test.ts | is one | ", "a.test.ts | b | c | d"])
      expect(() => parseSkips(line)).toThrow("test/skips: not FILE | NAME OF THE TEST | REASON");
  });

  test("in the repository's list are of files that exist, each with a reason", () => {
    for (const { file } of readAllowedSkips()) expect(existsSync(join(projectFolder, file))).toBe(true);
  });
});

describe("the times of groups", () => {
  const record = Object.fromEntries(
    Object.entries({ slow: 40, quick: 4, tiny: 1, other: 20 }).map(([name, cpu]) => [name, { cpu, wall: 2 * cpu }]),
  );
  const time = (name: string, cpuSeconds: number): GroupTime => ({ name, cpuSeconds, wallSeconds: 2 * cpuSeconds });
  const grown = (times: GroupTime[]): string[] => timeTable(times, record).filter((line) => line.includes("GREW"));

  test("say which group grew by more than half, and show the longest first", () => {
    const times = [time("quick", 4), time("slow", 64), time("tiny", 4), time("other", 20), time("new", 50)];
    expect(grown(times)).toEqual(["  128 s    64 s of CPU  slow  GREW by more than half: 40 s would be as recorded"]);
    expect(timeTable(times, record)[1]).toBe("  100 s    50 s of CPU  new");
  });

  test("of a machine that is slower for all say nothing of one group", () => {
    const times = [time("quick", 8), time("slow", 80), time("tiny", 2), time("other", 40)];
    expect(slowness(times, record)).toBe(2);
    expect(grown(times)).toEqual([]);
  });
});

test("groups run side by side up to their kind's number, in their order, and all of them", async () => {
  const running = new Map([
    ["a", 0],
    ["b", 0],
  ]);
  const most = new Map<string, number>();
  const begun: string[] = [];
  await runInLanes(
    ["a1", "a2", "b1", "a3", "a4", "b2"],
    (name) => name.slice(0, 1),
    (kind) => (kind === "a" ? 2 : 1),
    async (name) => {
      const kind = name.slice(0, 1);
      begun.push(name);
      running.set(kind, (running.get(kind) ?? 0) + 1);
      most.set(kind, Math.max(most.get(kind) ?? 0, running.get(kind) ?? 0));
      await Bun.sleep(5);
      running.set(kind, (running.get(kind) ?? 0) - 1);
    },
  );
  expect(begun.filter((name) => name.startsWith("a"))).toEqual(["a1", "a2", "a3", "a4"]);
  expect(begun.filter((name) => name.startsWith("b"))).toEqual(["b1", "b2"]);
  expect([...most]).toEqual([
    ["a", 2],
    ["b", 1],
  ]);
});

test("quick leaves out what boots guests, long takes what has a longer form, and neither loses a file of the rest", () => {
  const filesOf = (selection: Partial<Selection>): string[] =>
    groupsOf({ patterns: [], quick: false, long: false, ...selection })
      .flatMap(({ command }) => command)
      .filter((word) => word.endsWith(".test.ts"))
      .map((word) => word.slice("./".length));
  const all = filesUnder("test", ".test.ts");
  expect(filesOf({}).toSorted()).toEqual(all);
  const quick = filesOf({ quick: true });
  expect(all.filter((file) => !quick.includes(file)).every((file) => reaches(file, ["test/support/guest.ts"]))).toBe(
    true,
  );
  expect(quick).toContain("test/tidy.test.ts");
  expect(quick).not.toContain("test/guest/agent.test.ts");
  expect(filesOf({ patterns: ["guest/agent.test"] })).toEqual(["test/guest/agent.test.ts"]);
});
