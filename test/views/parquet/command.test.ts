import { afterAll, describe, expect, test } from "bun:test";
import {
  copyFileSync,
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
import { fixturePath } from "../../fixtures/fixtures.ts";
import { executable } from "../../support/agent-process.ts";
import { askDuckDb, filesIn } from "../../support/parquet.ts";
import { whyNoSmallDisk, withSmallDisk } from "../../support/small-disk.ts";
import { testUnless } from "../../support/test-unless.ts";

const base = mkdtempSync(join(tmpdir(), "trace-agent-export-tables-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));
const file = join(base, "vm 1.dat");
copyFileSync(fixturePath("linux-6.12-lost"), file);

function run(...args: string[]): { code: number; stdout: string; stderr: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync([executable, "export", ...args], { cwd: base });
  return { code: exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
}

const mode = (path: string): string => (statSync(path).mode & 0o7777).toString(8);

describe("export --parquet", () => {
  test("names a lone file by its options, and gives files and folders to a group that is named", async () => {
    const names = ["--host-name", "node7", "--guest-name", "vm1", "--date", "2026-11-30", "--group", "nogroup"];
    expect(run("--parquet", "lake", file, ...names)).toEqual({
      code: 0,
      stdout: "lake: 118 events, 2916 lost before they were recorded\n",
      stderr: "",
    });
    const place = join(base, "lake/sched_switch/date=2026-11-30/host=node7/guest=vm1");
    const [name = ""] = filesIn(place);
    expect(name).toMatch(/^[0-9a-f]{16}-001\.parquet$/);
    expect([mode(place), mode(join(place, name)), mode(join(base, "lake"))]).toEqual(["750", "640", "750"]);
    const [counted] = await askDuckDb(`select count(*) n from read_parquet('${place}/*.parquet')`);
    expect(counted).toEqual({ n: 6n });
  }, 300_000);

  test("takes the file's name and day where it is given none; only its user may read what it writes", () => {
    expect(run("--parquet", "own", file)).toMatchObject({ code: 0 });
    const [first = ""] = filesIn(join(base, "own/lost"));
    const day = statSync(file).mtime.toISOString().slice(0, 10);
    expect(first).toStartWith(`date=${day}/host=unknown/guest=vm%201/`);
    expect([mode(join(base, "own")), mode(join(base, "own/lost", first))]).toEqual(["700", "600"]);
  }, 300_000);

  test("refuses what does not fit together, a place that is no directory, and names of several recordings", () => {
    for (const args of [
      ["--parquet", "no", file, "-o", "x"],
      ["--parquet", "vm 1.dat", file],
      ["--parquet", "no", file, fixturePath("linux-6.1"), "--guest-name", "x"],
      ["--parquet", "no", file, "--date", "2026-02-30"],
    ]) {
      const { code, stdout, stderr } = run(...args);
      expect([code, stdout]).toEqual([64, ""]);
      expect(stderr).toStartWith("trace-agent: error: cannot ");
      expect(existsSync(join(base, "no"))).toBeFalse();
    }
  }, 300_000);

  testUnless(
    whyNoSmallDisk(),
    "that fails leaves nothing where it made the directory, and the directory where it did not",
    () =>
      withSmallDisk("96k", (small) => {
        const full = run("--parquet", join(small, "lake"), fixturePath("linux-6.12-lost"));
        expect([full.code, full.stderr]).toEqual([74, expect.stringContaining("ENOSPC")]);
        expect(readdirSync(small)).toEqual([]);
        mkdirSync(join(small, "lake"));
        expect(run("--parquet", join(small, "lake"), fixturePath("linux-6.12-lost"))).toMatchObject({ code: 74 });
        expect(filesIn(join(small, "lake"))).toEqual([]);
        expect(readdirSync(small)).toEqual(["lake"]);
      }),
  );

  test("of a damaged file makes tables of what can be read, says so, and ends with 65", async () => {
    const bytes = readFileSync(file);
    // The last sub-buffer says that it is longer than it is.
    bytes.writeUInt32LE(0xf_f000, bytes.length - 4096 + 8);
    writeFileSync(join(base, "cut.dat"), bytes);
    const { code, stderr } = run("--parquet", "cut", "cut.dat");
    expect(code).toBe(65);
    expect(stderr).toMatch(/warning: CPU \d+: 1 sub-buffer could not be read to the end/);
    expect(filesIn(join(base, "cut")).length).toBeGreaterThan(10);
    for (const path of filesIn(join(base, "cut")))
      expect(await askDuckDb(`select count(*) > 0 ok from read_parquet('${join(base, "cut", path)}')`)).toEqual([
        { ok: true },
      ]);
  }, 300_000);
});
