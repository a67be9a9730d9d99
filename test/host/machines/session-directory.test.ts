/** The directory of a session, as a user names it. */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { SessionDirectory } from "../../../src/host/machines/session-directory.ts";
import { makeGuestDirectory } from "../../../src/host/setup/setup.ts";
import { planSetup } from "../../../src/host/setup/setup-plan.ts";
import { openTables } from "../../../src/views/parquet/folders.ts";
import { runBatch } from "../../support/command-batch.ts";

setDefaultTimeout(300_000);
const base = mkdtempSync(`${tmpdir()}/ta-session-directory-`);
afterAll(() => rmSync(base, { recursive: true }));

test.each([
  ["a session", (path: string) => SessionDirectory.open(path, undefined)],
  ["tables", (path: string) => openTables(path, undefined, [])],
])("a new directory of %s may be named with slashes at its end, of which messages know nothing", (what, open) => {
  const path = `${base}/of ${what}`;
  const directory = open(`${path}//`);
  expect({ path: directory.path, isThere: existsSync(path) }).toEqual({ path, isThere: true });
  directory.close();
});

test("a new directory is taken away again where nothing came into it, and no other that has its name meanwhile", () => {
  const [path, moved] = [`${base}/new`, `${base}/moved`];
  SessionDirectory.open(path, undefined).close();
  expect(existsSync(path)).toBe(false);
  const full = SessionDirectory.open(path, undefined);
  writeFileSync(`${path}/note`, "of somebody else");
  full.close();
  expect(readdirSync(path)).toEqual(["note"]);
  rmSync(path, { recursive: true });
  const taken = SessionDirectory.open(path, undefined);
  renameSync(path, moved);
  mkdirSync(path);
  taken.close();
  expect([path, moved].map((one) => readdirSync(one))).toEqual([[], []]);
});

test("a recording that is refused leaves no directory that was not there before, and an empty one as it was", async () => {
  const [guest, there, held] = [`${base}/vm1`, `${base}/there`, `${base}/held`];
  makeGuestDirectory(guest, planSetup(2), "fifo", undefined);
  mkdirSync(there);
  mkdirSync(held);
  writeFileSync(`${held}/notes.txt`, "");
  const silent = [guest, "--wait", "0.1"];
  const refused: (readonly [said: string, ...args: string[]])[] = [
    ["no vm holds it", ...silent, "--rotate", "1M", "-o", `${base}/cut`],
    ["no vm holds it", ...silent, "--last", "1s", "--on", "lost", "-o", `${base}/ring`],
    ["no vm holds it", ...silent, `${base}/vm2`, "-o", `${base}/whole`],
    ["no vm holds it", ...silent, "--rotate", "1M", "-o", there],
    ["cannot find guest directory", `${base}/vm2`, "--last", "1s", "-o", `${base}/none`],
    ["metrics", ...silent, "--rotate", "1M", "--metrics", `${base}/no/file.prom`, "-o", `${base}/metrics`],
    ["holds something else", ...silent, "--rotate", "1M", "-o", held],
  ];
  const { said } = await runBatch(refused.map(([, ...args]) => ["record", ...args]));
  const left = new Set(readdirSync(base));
  for (const [index, [words]] of refused.entries())
    expect(said[index]?.stderr.toString().toLowerCase()).toContain(words);
  for (const made of ["cut", "ring", "whole", "none", "metrics"])
    expect({ made, isLeft: left.has(made) }).toEqual({ made, isLeft: false });
  expect([there, held].map((one) => readdirSync(one))).toEqual([[], ["notes.txt"]]);
});
