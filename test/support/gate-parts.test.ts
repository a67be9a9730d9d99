/** What the gate believes of a test process: a gate that counts wrongly is worse than none. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runLimited } from "./run-limited.ts";
import { reportOf, type TestReport } from "./test-report.ts";

const folder = mkdtempSync(join(tmpdir(), "trace-agent-gate-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a test file of this text as the gate does. */
async function reportOn(text: string, limitMs = 60_000): Promise<TestReport> {
  const file = join(folder, `${Bun.hash(text).toString(36)}.test.ts`);
  writeFileSync(file, `import { expect, test } from "bun:test";\n${text}\n`);
  // Not shown: the reader of the gate's output would take these for failures of ours.
  return reportOf(await runLimited([process.execPath, "test", file], { limitMs, show: () => {} }));
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
  const report = await reportOn(`${good} test("hangs", () => { ${hang} });`, 3000);
  expect(report).toMatchObject({ passed: 1, failed: 1 });
  expect(report.failures.join("\n")).toContain("over its time limit");
  expect(commandLines()).not.toContain(`sleep\0${marker}\0`);
});
