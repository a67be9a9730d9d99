/** Thousands of recordings that are read together do not need as many descriptors. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, readdirSync, readlinkSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { traceDatLimits } from "../../../src/trace-dat/limits.ts";
import { openTraceFile } from "../../../src/trace-dat/read/file.ts";
import { fixturePath } from "../../fixtures/fixtures.ts";
import { executable } from "../../support/agent-process.ts";

let directory = "";
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), "trace-agent-descriptors-"))));
afterEach(() => rmSync(directory, { recursive: true }));

const pathOf = (index: number): string => join(directory, `${index}.dat`);

/** Descriptors of this process that lead into the directory. */
function held(): number {
  const links = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return "";
    }
  });
  return links.filter((link) => link.startsWith(directory)).length;
}

test("files beyond a bound are read without a descriptor that stays, each as the one that was opened", () => {
  const count = traceDatLimits.filesOpen + 20;
  for (let i = 0; i < count; i++) writeFileSync(pathOf(i), `file ${i}`);
  const files = Array.from({ length: count }, (_, i) => openTraceFile(pathOf(i)));
  expect(held()).toBe(traceDatLimits.filesOpen);
  const target = new Uint8Array(20);
  for (let round = 0; round < 2; round++) {
    for (const [i, file] of files.entries()) {
      const got = file.readAt(target, 0);
      expect(Buffer.from(target.subarray(0, got)).toString()).toBe(`file ${i}`);
    }
  }
  expect(held()).toBe(traceDatLimits.filesOpen);
  // The first have none now; one of them is replaced.
  writeFileSync(join(directory, "new"), "file 0");
  renameSync(join(directory, "new"), pathOf(0));
  expect(() => files[0]?.readAt(target, 0)).toThrow("it became another file after it was opened");
  for (const file of files) file.close();
  expect(held()).toBe(0);
});

test("recordings are shown together where fewer files may be open", () => {
  const names = Array.from({ length: 100 }, (_, i) => `${i}.dat`);
  for (const name of names) copyFileSync(fixturePath("linux-6.12"), join(directory, name));
  const limited = ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh", executable, "report", "--stat", ...names];
  const { stdout, stderr, exitCode } = Bun.spawnSync(limited, { cwd: directory });
  expect({ stderr: stderr.toString(), exitCode }).toEqual({ stderr: "", exitCode: 0 });
  for (const name of names) expect(stdout.toString()).toContain(name.replace(".dat", ""));
});
