/** Recordings that mean harm, read by the built executable: refused or shown, within a second and 200 MiB. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostileFiles, plainFile } from "../../support/hostile-files.ts";
import { steersTerminal } from "../../support/hostile-text.ts";
import { isLong } from "../../support/long.ts";
import { Measurer } from "../../support/measured.ts";
import { isQuick } from "../../support/quick.ts";

const directory = mkdtempSync(join(tmpdir(), "trace-agent-hostile-"));
const measurer = new Measurer();
afterAll(async () => {
  await measurer.close();
  rmSync(directory, { recursive: true, force: true });
});
const fixtures = join(import.meta.dir, "../../fixtures/hostile");
const reports = [["report"], ["report", "--json"], ["report", "--stat"]];
/** Those that cost a second in each form: read in the form that they are made against; in every one in the long form. */
const costly: Record<string, string[][]> = {
  "formats by the ten thousand": [["report"]],
  "CPUs of large chunks by the hundred": [["report"]],
  "64 MiB of statistics": [["report", "--stat"]],
  "a new task in each of a hundred thousand events": [["report", "--stat"]],
};
/** Each file is read in one form, each form reads a third of them: the quick form. */
const inTurn = (number: number): string[][] => reports.slice(number % 3, (number % 3) + 1);
/** A second on a machine of its own; it has the time that others take in its caches and clock. */
const cpuSecondsMax = 3;

async function check(path: string, commands = reports, mostMiB = 200): Promise<void> {
  for (const command of commands) {
    const { code, stderr, cpuSeconds, peakMiB } = await measurer.run([...command, path]);
    const said = `${command.join(" ")}: ${code} ${stderr.slice(0, 300)}`;
    expect([said, [0, 65].includes(code)]).toEqual([said, true]);
    expect([said, peakMiB < mostMiB ? "within bounds" : `${peakMiB.toFixed(0)} MiB`]).toEqual([said, "within bounds"]);
    expect([said, cpuSeconds < cpuSecondsMax ? "in time" : `${cpuSeconds} s`]).toEqual([said, "in time"]);
    expect([said, steersTerminal(Buffer.from(stderr))]).toEqual([said, false]);
    if (code === 65) expect(stderr).toMatch(/error: |warning: /);
  }
}

describe("a file of the attack", () => {
  test.each(readdirSync(fixtures).map((name, number) => [name, number] as const))(
    "%s is refused or shown, and costs little",
    async (name, number) => {
      const output = join(directory, "out.pftrace");
      await check(join(fixtures, name), isQuick ? inTurn(number) : reports);
      await check(join(fixtures, name), [["export", "-o", output]]);
    },
    300_000,
  );
});

describe("a file made like them", () => {
  test.each(Object.keys(hostileFiles).map((name, number) => [name, number] as const))(
    "with %s is refused or shown, and costs little",
    async (name, number) => {
      const path = join(directory, "made.dat");
      writeFileSync(path, hostileFiles[name]?.() ?? "");
      // As text, and in one of the other forms in turn; in all of them in the long form.
      const some = isQuick
        ? inTurn(number)
        : [["report"], number % 2 === 0 ? ["report", "--json"] : ["report", "--stat"]];
      await check(path, isLong ? reports : (costly[name] ?? some));
    },
    300_000,
  );

  test("that is a terabyte of nothing is not read to its end", async () => {
    const path = join(directory, "sparse.dat");
    const file = plainFile();
    const place = file.indexOf("flyrecord\0") + 10;
    const bytes = 2 ** 40;
    file.writeBigUInt64LE(BigInt(bytes), place + 8);
    writeFileSync(path, file);
    truncateSync(path, Number(file.readBigUInt64LE(place)) + bytes);
    await check(path);
  }, 300_000);
});
