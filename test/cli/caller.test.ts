/** What a caller may leave to a command: a stdout that takes nothing, closed descriptors, a limit on the size of files. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { executable } from "../support/agent-process.ts";
import { makeRawSpool } from "../support/raw-spool.ts";

/** Runs of the executable take long on a loaded machine. */
setDefaultTimeout(300_000);

const path = mkdtempSync(`${tmpdir()}/ta-caller-`);
afterAll(() => rmSync(path, { recursive: true }));

type End = { code: number; stdout: string; stderr: string };

function run(script: string): End {
  const { exitCode, stdout, stderr } = Bun.spawnSync(["bash", "-c", script, "bash", executable], { cwd: path });
  return { code: exitCode, stdout: stdout.toString("latin1"), stderr: stderr.toString() };
}

makeRawSpool(`${path}/raw.spool`, 1024);
const made = run("$1 recover raw.spool --metadata raw.spool.metadata -o t.dat");
if (made.code !== 0) throw new Error(made.stderr);

describe("answers on stdout", () => {
  test("that cannot be written end with 74", () => {
    for (const command of [
      `$1 cloud-init --url http://h/x --sha256 ${"0".repeat(64)}`,
      "$1 --version",
      "$1 --help",
      "$1 report --help",
      "$1 report t.dat",
      "$1 check",
      "$1 export t.dat",
      "$1 licenses",
    ]) {
      expect({ command, code: run(`${command} >/dev/full`).code }).toEqual({ command, code: 74 });
      const { code, stderr } = run(`${command} >&-`);
      expect({ command, code, stderr }).toMatchObject({ code: 74, stderr: expect.stringContaining(" EBADF") });
    }
  });

  test("are whole without stdin or stderr, and reach no file that was opened where those were closed", () => {
    expect(run("$1 --version <&- 2>&-")).toMatchObject({ code: 0, stderr: "" });
    expect(run("$1 report t.dat -o lines.txt").code).toBe(0);
    const lines = readFileSync(`${path}/lines.txt`, "latin1");
    expect(lines).toContain("\n");
    for (const closed of ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"]) {
      expect(run(`$1 report t.dat ${closed} -o again.txt`)).toMatchObject({ code: 0, stdout: "" });
      expect(readFileSync(`${path}/again.txt`, "latin1")).toBe(lines);
    }
    expect(run("$1 report nosuch.dat <&- >&- 2>&-").code).toBe(74);
  });
});

describe("a limit on the size of files", () => {
  const limited = (kib: number, command: string): End => run(`ulimit -f ${kib}; ${command}`);

  test("that is too small for the executable is told, and ends with 69", () => {
    for (const kib of [0, 100, 1500]) {
      const { code, stderr } = limited(kib, "$1 --version 2>&1 | cat >&2; exit ${PIPESTATUS[0]}");
      expect({ code, stderr }).toEqual({
        code: 69,
        stderr: expect.stringMatching(
          /^trace-agent: cannot start: the size of files is limited .*\(ulimit -f, .*\)\n$/,
        ),
      });
    }
  });

  test("that an output reaches is told, and ends with 74 and no file", () => {
    const command = "$1 recover raw.spool --metadata raw.spool.metadata -o out";
    expect(limited(2500, command)).toMatchObject({ code: 74, stderr: expect.stringContaining("ulimit -f") });
    expect(existsSync(`${path}/out`)).toBe(false);
  });
});
