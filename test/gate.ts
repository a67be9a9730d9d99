/**
 * The gate: `npm test [-- PATTERN...]`. Types, linter, build, then all tests; with patterns only the test files whose path
 * holds one of them. The last line tells the count, the exit code whether all is well.
 *
 * Tests run in processes apart, so that one that crashes or hangs costs only itself: one process per folder, and one per
 * file that boots guests. Such a file is run once more when it fails, because an emulated guest on a loaded machine can be
 * too slow for its own kernel; that it passed only then is said. Nothing else is tried twice.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { filesUnder, projectFolder, reaches } from "./support/imports.ts";
import { killRunning, runLimited } from "./support/run-limited.ts";
import { whyNoTools } from "./support/packages.ts";
import { reportOf, type TestReport } from "./support/test-report.ts";

const minuteMs = 60_000;
/** Against hanging only: each takes a fraction of it on an idle machine. */
const limits = { testMs: 2 * minuteMs, checkMs: 10 * minuteMs, folderMs: 15 * minuteMs, guestFileMs: 30 * minuteMs } as const;

/** What a test file reaches that boots guests under QEMU. */
const guestSupport = ["test/support/guest.ts", "test/support/arm64.ts"];

const checks: Record<string, string[]> = {
  types: ["node_modules/.bin/tsc", "--noEmit"],
  linter: ["node_modules/.bin/oxlint", "-c", ".ci/oxlint.json", "--type-aware", "--deny-warnings"],
  build: [process.execPath, "build.ts", "--quiet", "--install"],
};

type Group = { name: string; files: string[]; guest: boolean };

function groupsOf(files: string[]): Group[] {
  const folders = new Map<string, string[]>();
  const guests: Group[] = [];
  for (const file of files) {
    if (reaches(file, guestSupport)) {
      guests.push({ name: file, files: [file], guest: true });
      continue;
    }
    const folder = file.split("/").slice(0, 2).join("/");
    folders.set(folder, [...(folders.get(folder) ?? []), file]);
  }
  return [...[...folders].map(([name, members]) => ({ name, files: members, guest: false })), ...guests];
}

async function runGroup(group: Group): Promise<TestReport> {
  const logs = mkdtempSync(join(tmpdir(), "trace-agent-logs-"));
  const command = [process.execPath, "test", "--timeout", `${limits.testMs}`, ...group.files.map((file) => `./${file}`)];
  const limitMs = group.guest ? limits.guestFileMs : limits.folderMs;
  try {
    const report = reportOf(await runLimited(command, { limitMs, env: { TRACE_AGENT_TEST_LOGS: logs } }));
    if (report.failed > 0) report.failures.push(...consolesIn(logs));
    return report;
  } finally {
    rmSync(logs, { recursive: true, force: true });
  }
}

/** The ends of the consoles of guests that the process booted. */
function consolesIn(folder: string): string[] {
  return readdirSync(folder).map((name) => {
    const lines = readFileSync(join(folder, name), "latin1").trimEnd().split("\n");
    return `end of ${name}:\n${lines.slice(-30).join("\n")}`;
  });
}

async function main(patterns: string[]): Promise<number> {
  process.chdir(projectFolder);
  const begin = Date.now();
  const total: TestReport = { passed: 0, failed: 0, skipped: 0, failures: [] };
  const secondTries: string[] = [];
  const title = (name: string): void => {
    console.log(`\n== ${name} (${Math.round((Date.now() - begin) / 1000)} s)`);
  };

  const wanted = (file: string): boolean => patterns.length === 0 || patterns.some((pattern) => file.includes(pattern));
  const groups = groupsOf(filesUnder("test", ".test.ts").filter(wanted));
  if (groups.length === 0) total.failures.push(`no test file holds "${patterns.join('", "')}" in its path`);
  total.failed += total.failures.length;

  const noCompiler = await whyNoTools("gcc", "/usr/include/stdio.h");
  if (noCompiler !== undefined) console.log(noCompiler);
  for (const [name, command] of Object.entries(checks)) {
    if (patterns.length > 0 && name !== "build") continue;
    title(name);
    const { exitCode, output, timedOut } = await runLimited(command, { limitMs: limits.checkMs });
    total[exitCode === 0 ? "passed" : "failed"]++;
    if (exitCode !== 0) total.failures.push(`${name}: ${timedOut ? "killed: over its time limit" : `code ${exitCode}`}\n${output.trim()}`);
  }

  for (const group of groups) {
    title(group.name);
    let report = await runGroup(group);
    if (group.guest && report.failed > 0) {
      title(`${group.name}, second try`);
      const first = report.failures;
      report = await runGroup(group);
      if (report.failed === 0) secondTries.push(`passed at a second try: ${group.name}; the first said:\n${first.join("\n")}`);
    }
    total.passed += report.passed;
    total.failed += report.failed;
    total.skipped += report.skipped;
    total.failures.push(...report.failures.map((text) => `${group.name}:\n${text}`));
  }

  title("result");
  for (const text of [...secondTries, ...total.failures]) console.log(`${text}\n`);
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  return total.failed === 0 ? 0 : 1;
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    killRunning();
    process.exit(1);
  });
}
process.exitCode = await main(process.argv.slice(2));
