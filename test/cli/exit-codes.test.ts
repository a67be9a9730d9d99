/** The exit codes: one table in the README, one in the code, and a command for each of them. */
import { afterAll, describe, expect, test } from "bun:test";
import { appendFileSync, chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { exitCodes } from "../../src/base/errors.ts";
import { executable } from "../support/agent-process.ts";
import { makeRawSpool } from "../support/raw-spool.ts";
import { traceAgent } from "../support/recorder-process.ts";

const base = mkdtempSync(join(tmpdir(), "ta-exit-"));
afterAll(() => rmSync(base, { recursive: true }));

const readme = readFileSync(resolve(import.meta.dir, "../../README.md"), "utf8");

test("the README's table has 0 and every code of the program, each once", () => {
  const [table = ""] = /^\| exit code \|[^]*?\n\n/m.exec(readme) ?? [];
  const told = [...table.matchAll(/^\| (\d{1,2}) \| \S/gm)].map(([, code]) => Number(code));
  expect(told.toSorted((a, b) => a - b)).toEqual([0, ...Object.values(exitCodes)].toSorted((a, b) => a - b));
});

describe("trace-agent ends with", () => {
  const damaged = `${base}/damaged.dat`;
  writeFileSync(damaged, "this is no trace.dat");
  const cases: [number, string, string[]][] = [
    [0, "an answer", ["--version"]],
    [exitCodes.usage, "an option that is none", ["record", "--no-such-option"]],
    [exitCodes.input, "a file of another kind", ["report", damaged]],
    [exitCodes.unavailable, "a guest that is not there", ["status", `${base}/no-guest/`]],
    [exitCodes.io, "a file that is not there", ["report", `${base}/none.dat`]],
  ];
  test.each(cases)("%i for %s", async (code, _, args) => {
    const end = await traceAgent(...args);
    expect({ code: end.code, stderr: end.code === code ? "" : end.stderr }).toEqual({ code, stderr: "" });
  });

  test("65 for a file of which a part cannot be read, whatever is made of it", async () => {
    const spool = `${base}/part.spool`;
    const { metadata } = makeRawSpool(spool);
    appendFileSync(`${spool}/cpu0`, Buffer.alloc(4096, 0xff));
    const path = `${base}/part.dat`;
    const ways = [
      ["recover", spool, "--metadata", metadata, "-o", path],
      ["report", path],
      ["report", "--json", path],
      ["report", "--stat", path],
      ["export", path, "-o", `${base}/part.pftrace`],
      ["export", path, "--parquet", `${base}/tables`],
    ];
    const ends = await Promise.all(ways.slice(0, 1).map((args) => traceAgent(...args)));
    ends.push(...(await Promise.all(ways.slice(1).map((args) => traceAgent(...args)))));
    expect(ends.map(({ code }, index) => [ways[index]?.slice(0, 2).join(" "), code])).toEqual(
      ways.map((args) => [args.slice(0, 2).join(" "), exitCodes.input]),
    );
  });

  test.skipIf(process.geteuid?.() !== 0)("77 for a directory that it may not read", () => {
    chmodSync(base, 0o700);
    const { exitCode } = Bun.spawnSync(
      ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", executable, "status", `${base}/vm`],
      { stderr: "pipe" },
    );
    expect(exitCode).toBe(exitCodes.permission);
  });
});
