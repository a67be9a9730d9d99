/**
 * The gate: `npm test [-- PATTERN...]`. Types, linter, format, build and all tests; with patterns only the test files whose
 * path holds one of them. test/README.md tells the forms. The last line tells the count, the exit code whether all is well.
 *
 *   --quick         without guests, in the shorter form of tests that repeat     --long   the longer forms of tests
 *   --ci            a skipped test that test/skips does not allow is a failure
 *   --record-times  writes test/times.json, against which the time of each group is judged
 *
 * Groups run side by side, each in a process of its own (support/gate/groups.ts), so that one that crashes or hangs costs only
 * itself. What a group says is shown when it has ended. Nothing is tried twice.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { cacheFolder } from "../ffi/static/cache.ts";
import { fetchAll } from "./support/gate/downloads.ts";
import { GroupFolder, removeLeftFolders } from "./support/gate/group-folder.ts";
import { build, type Group, groupsOf } from "./support/gate/groups.ts";
import { runInLanes } from "./support/gate/lanes.ts";
import { memoryFolder, memoryPlace } from "./support/gate/memory-folder.ts";
import { killRunning, type LimitedRun, runLimited } from "./support/gate/run-limited.ts";
import { forbiddenSkips, readAllowedSkips } from "./support/gate/skips.ts";
import { reportOf, type TestReport } from "./support/gate/test-report.ts";
import { type GroupTime, readTimes, slowness, timeTable, writeTimes } from "./support/gate/times.ts";
import { projectFolder } from "./support/imports.ts";
import { reasonWithoutTracefs, removeLeftInstances, unmountTracefs } from "./support/tracefs.ts";

/** Against hanging only: each takes a fraction of it on an idle machine. */
const groupLimitMs = 30 * 60_000;
const longGroupLimitMs = 45 * 60_000;

/**
 * Most test processes are over before the compiler's last tier pays: it comes at four times the runtime's count, as in the
 * executable (ffi/static/entry/compiler.h), to which these variables do not come through.
 */
const runtimeVariables = { BUN_JSC_thresholdForFTLOptimizeAfterWarmUp: "400000" };

/** Of a group that test/times.json does not have: it begins before those that are known to be short. */
const unknownWallSeconds = 100;

/** Where gates have their groups' folders, also those that were killed. */
const temporaryFolders = [tmpdir(), memoryPlace].filter((path) => existsSync(path));

const flags = ["--quick", "--long", "--ci", "--record-times"] as const;
type Flag = (typeof flags)[number];

/** Those that take less of a CPU than this while they run mostly wait. */
const waitingShareMost = 1 / 3;

/** How many groups of a kind run at once. A guest takes a CPU most of the time; without guests there is room for more that wait. */
function atOnce(kind: string, quick: boolean): number {
  const cpus = availableParallelism();
  // With four for each CPU they are the last to end, and leave the CPUs idle.
  if (kind === "waiting tests") return 5 * cpus;
  return kind === "guest tests" || !quick ? cpus : cpus + 1;
}

async function main(words: readonly string[]): Promise<number> {
  process.chdir(projectFolder);
  const given = new Set(words.filter((word): word is Flag => (flags as readonly string[]).includes(word)));
  const unknown = words.find((word) => word.startsWith("-") && !given.has(word as Flag));
  if (unknown !== undefined) throw new Error(`unknown option "${unknown}"; known: ${flags.join(" ")}`);
  const patterns = words.filter((word) => !word.startsWith("-"));
  const groups = groupsOf({ patterns, quick: given.has("--quick"), long: given.has("--long") });
  const total: TestReport = { passed: 0, failed: 0, skipped: 0, failures: [], skippedTests: [] };
  const times: GroupTime[] = [];
  const fail = (text: string): void => {
    total.failed++;
    total.failures.push(text);
  };
  if (groups.length === 0) fail(`no test file holds "${patterns.join('", "')}" in its path`);

  // Of a part, each test fetches what it needs.
  if (patterns.length === 0) await download(groups);
  // Why it cannot be used, each test that needs it says itself.
  reasonWithoutTracefs();
  removeLeftInstances();
  for (const parent of temporaryFolders) removeLeftFolders({ parent });
  // Where the caller names no other.
  const isFree = given.has("--quick") && process.env["TMPDIR"] === undefined;
  const parent = (isFree ? memoryFolder() : undefined) ?? tmpdir();
  const begin = performance.now();
  const limitMs = given.has("--long") ? longGroupLimitMs : groupLimitMs;
  const env = {
    ...runtimeVariables,
    ...(given.has("--long") ? { TRACE_AGENT_LONG_TESTS: "1" } : {}),
    ...(given.has("--quick") ? { TRACE_AGENT_QUICK_TESTS: "1" } : {}),
  };
  const record = readTimes();
  const wallOf = ({ name }: Group): number => record[name]?.wall ?? unknownWallSeconds;
  const laneOf = ({ kind, name }: Group): string => {
    const { cpu, wall } = record[name] ?? { cpu: 1, wall: 1 };
    if (kind === "tests" && given.has("--quick") && cpu < wall * waitingShareMost) return "waiting tests";
    return kind === "guest tests" ? kind : "tests";
  };
  const runAll = async (some: readonly Group[]): Promise<void> =>
    runInLanes(
      some.toSorted((a, b) => wallOf(b) - wallOf(a)),
      laneOf,
      (kind) => atOnce(kind, given.has("--quick")),
      runOne,
    );
  const runOne = async (group: Group): Promise<void> => {
    const alone = groups.length === 1;
    const { run, report } = await runGroup(group, { limitMs, env, parent, show: alone });
    times.push({ name: group.name, wallSeconds: run.wallSeconds, cpuSeconds: run.cpuSeconds });
    console.log(`\n== ${group.name}: ${summary(report)} (${seconds(run.wallSeconds)}, CPU ${seconds(run.cpuSeconds)})`);
    if (!alone) process.stdout.write(run.output);
    count(total, report);
  };
  // What needs no executable does not wait for it.
  const checked = runAll(groups.filter(({ kind }) => kind === "check"));
  const built = await runLimited(build, { limitMs: groupLimitMs, show: (text) => process.stdout.write(text) });
  count(total, checkReport("build", built));
  if (built.exitCode === 0) await runAll(groups.filter(({ kind }) => kind !== "check"));
  await checked;

  if (given.has("--ci")) {
    for (const { file, name } of forbiddenSkips(total.skippedTests, readAllowedSkips()))
      fail(`${file}: skipped, and test/skips does not allow it: ${name}`);
    const nameless = total.skipped - total.skippedTests.length;
    if (nameless !== 0) fail(`of the skipped tests ${nameless} more were counted than named`);
  }
  console.log(`\n== times: ${seconds((performance.now() - begin) / 1000)} for all, downloads apart`);
  for (const line of timeTable(times, record)) console.log(line);
  console.log(
    `CPU time against test/times.json, by the median group: ${slowness(times, record).toFixed(2)} times as much`,
  );
  // A part is written beside what is known of the rest.
  if (given.has("--record-times") && total.failed === 0)
    writeTimes(times, given.has("--quick") || patterns.length > 0 ? record : {});
  console.log("\n== result");
  for (const text of total.failures) console.log(`${text}\n`);
  console.log(summary(total));
  return total.failed === 0 ? 0 : 1;
}

/** What the groups will need, fetched before their time is taken. */
async function download(groups: readonly Group[]): Promise<void> {
  const begin = performance.now();
  const reasons = await fetchAll({ guests: groups.some(({ kind }) => kind === "guest tests") });
  console.log(`== downloads: ${seconds((performance.now() - begin) / 1000)}`);
  for (const reason of reasons) console.log(`cannot be had: ${reason}`);
}

async function runGroup(
  group: Group,
  options: { limitMs: number; env: Record<string, string>; parent: string; show: boolean },
): Promise<{ run: LimitedRun; report: TestReport }> {
  const folder = new GroupFolder(options.parent);
  try {
    const run = await runLimited(group.command, {
      limitMs: options.limitMs,
      env: { ...options.env, ...folder.environment },
      ...(options.show ? { show: (text: string) => process.stdout.write(text) } : {}),
    });
    if (group.kind === "check") return { run, report: checkReport(group.name, run) };
    const report = reportOf(run);
    if (report.failed > 0) report.failures.push(...consolesIn(folder.logs));
    if (folder.left.length > 0) run.output += `left in its TMPDIR: ${folder.left.join(" ")}\n`;
    return { run, report: { ...report, failures: report.failures.map((text) => `${group.name}:\n${text}`) } };
  } finally {
    folder.remove();
    removeLeftFolders({ parent: cacheFolder("guest") });
    removeLeftInstances();
  }
}

function checkReport(name: string, { exitCode, timedOut, output }: LimitedRun): TestReport {
  if (exitCode === 0) return { passed: 1, failed: 0, skipped: 0, failures: [], skippedTests: [] };
  const why = timedOut ? "killed: over its time limit" : `code ${exitCode}`;
  return { passed: 0, failed: 1, skipped: 0, failures: [`${name}: ${why}\n${output.trim()}`], skippedTests: [] };
}

function count(total: TestReport, report: TestReport): void {
  total.passed += report.passed;
  total.failed += report.failed;
  total.skipped += report.skipped;
  total.failures.push(...report.failures);
  total.skippedTests.push(...report.skippedTests);
}

/** The ends of the consoles of guests that the process booted. */
function consolesIn(folder: string): string[] {
  const files = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
  return files.map(({ name }) => {
    const lines = readFileSync(join(folder, name), "latin1").trimEnd().split("\n");
    return `end of ${name}:\n${lines.slice(-30).join("\n")}`;
  });
}

function summary({ passed, failed, skipped }: TestReport): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

function seconds(value: number): string {
  return `${Math.round(value)} s`;
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    killRunning();
    removeLeftInstances();
    for (const parent of temporaryFolders) removeLeftFolders({ own: true, parent });
    unmountTracefs();
    process.exit(1);
  });
}
try {
  process.exitCode = await main(process.argv.slice(2));
} finally {
  // An error of the gate itself leaves no group behind.
  killRunning();
  unmountTracefs();
}
