/** Escape sequences in every text that a recording has: none reaches a terminal, in a message or among the events. */
import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { executable } from "../../support/agent-process.ts";
import { runBatch } from "../../support/command-batch.ts";
import { eventData, packedSections, page, plainFile } from "../../support/hostile-files.ts";
import { hostileTexts, steersTerminal } from "../../support/hostile-text.ts";
import { isLong } from "../../support/long.ts";
import { joinTraceDat } from "../../support/trace-dat-sections.ts";

const directory = mkdtempSync(join(tmpdir(), "trace-agent-messages-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const text = (index: number): string => Buffer.from(hostileTexts[index] ?? "").toString("latin1");
const replaced = (file: Buffer, what: string, by: string): Buffer => {
  const at = file.indexOf(what, 0, "latin1");
  expect(at).toBeGreaterThan(0);
  return Buffer.concat([file.subarray(0, at), Buffer.from(by, "latin1"), file.subarray(at + what.length)]);
};
const packed = (clock = "local"): Buffer =>
  joinTraceDat(
    {
      sections: packedSections({ commands: Buffer.from(`1 ${text(0)}\n`, "latin1") }),
      options: [{ id: 5, body: Buffer.from(`${text(1)}\0`, "latin1") }],
    },
    [{ cpu: 0, chunks: [page(1_000_000_000n, [eventData(5, 1)])] }],
    { clock },
  );

/** Every place of a recording that holds text, with each hostile text in it. */
const places: Record<string, (hostile: string) => Buffer> = {
  version: (hostile) => replaced(plainFile(), "tracing6", `tracing${hostile.slice(0, 6)}`),
  "compression algorithm": (hostile) => replaced(packed(), "zstd", hostile),
  "name of the clock": (hostile) => packed(hostile.slice(0, 20)),
  "head of a table": (hostile) => replaced(plainFile(), "header_page", hostile.slice(0, 11)),
  "name of a section": (hostile) => replaced(plainFile(), "flyrecord", hostile.slice(0, 9)),
  "name of a system": (hostile) => plainFile({}, undefined, undefined, hostile),
  "name of a task": (hostile) => plainFile({ savedCommands: `1 ${hostile}\n` }),
  "name of the machine": (hostile) => plainFile({ uname: hostile }),
  statistics: (hostile) => plainFile({ stats: [`CPU: ${hostile}\nentries: ${hostile}\n`, hostile] }),
  "print fmt": (hostile) => plainFile({}, undefined, `"${hostile} %lu", REC->a`),
  "type of a field": (hostile) =>
    plainFile({}, `\tfield:${hostile.replaceAll(";", "")} a;\toffset:8;\tsize:8;\tsigned:0;\n`),
  "name of a symbol": (hostile) =>
    plainFile({ kallsyms: Buffer.from(`0000000000000000 t ${hostile}\n`, "latin1") }, undefined, '"%pS", REC->a'),
  "string of the kernel": (hostile) => plainFile({ printkFormats: `0x0 : "${hostile}"\n` }, undefined, '"%s", REC->a'),
};

/** What a command writes to a terminal: its output and its messages. */
function onTerminal(command: readonly string[]): Buffer {
  const typescript = join(directory, "typescript");
  const line = command.map((word) => `'${word}'`).join(" ");
  spawnSync("script", ["-qefc", line, typescript], { env: { ...process.env, NO_COLOR: "1" }, stdio: "ignore" });
  // Of script's own first and last line, and the terminal's ends of lines.
  const lines = readFileSync(typescript, "latin1").replaceAll("\r\n", "\n").split("\n").slice(1);
  return Buffer.from(lines.filter((shown) => !shown.startsWith("Script done on")).join("\n"), "latin1");
}

const forms = [[], ["--json"], ["--stat"]];

/** Recordings with a hostile text, and the commands that read them. */
function hostileReports(): { place: string; hostile: string; command: string[] }[] {
  return Object.entries(places).flatMap(([place, make], number) => {
    // Each place with a third of the texts, each text in a third of the places; all of them in the long form.
    const texts = hostileTexts.filter((_, index) => isLong || index % 3 === number % 3);
    return texts.flatMap((hostile, index) => {
      // As UTF-8, and as bytes where it has no other letters.
      const written = new Set([
        Buffer.from(hostile).toString("latin1"),
        ...(/^[\0-\xff]*$/.test(hostile) ? [hostile] : []),
      ]);
      // Each form of a report with some of the texts; with all of them in the long form.
      const shown = isLong ? forms : forms.slice(index % 3, (index % 3) + 1);
      return [...written].flatMap((text, way) => {
        const path = join(directory, `${number}-${index}-${way}.dat`);
        writeFileSync(path, make(text));
        return shown.map((flags) => ({ place, hostile, command: ["report", ...flags, path] }));
      });
    });
  });
}

describe("a terminal is not steered", () => {
  test("by a hostile text in any place of a recording", async () => {
    const reports = hostileReports();
    const { said } = await runBatch(reports.map(({ command }) => command));
    let lines = 0;
    for (const [index, { place, hostile, command }] of reports.entries()) {
      const { code, stderr } = said[index] ?? { code: -1, stderr: Buffer.alloc(0) };
      const odd = stderr
        .toString()
        .split("\n")
        .filter((line) => line !== "" && !/^(trace-agent: | {2})/.test(line));
      lines += stderr.length > 0 ? 1 : 0;
      expect({ place, hostile, command, code: [0, 65].includes(code), steers: steersTerminal(stderr), odd }).toEqual({
        place,
        hostile,
        command,
        code: true,
        steers: false,
        odd: [],
      });
    }
    // Most of them are told of.
    expect(lines).toBeGreaterThan(reports.length / 4);
  }, 300_000);

  test.each(Object.keys(places).map((place, number) => [place, number] as const))(
    "by events and tables of a recording with a hostile %s",
    (place, number) => {
      const path = join(directory, "trace.dat");
      writeFileSync(
        path,
        places[place]?.(
          hostileTexts
            .map((hostile) => Buffer.from(hostile).toString("latin1"))
            .join(" ")
            .replaceAll("\n", ""),
        ) ?? "",
      );
      for (const flags of isLong ? forms : forms.slice(number % 3, (number % 3) + 1)) {
        const shown = onTerminal([executable, "report", ...flags, path]);
        expect([place, flags, shown.length > 0, steersTerminal(shown)]).toEqual([place, flags, true, false]);
      }
    },
    300_000,
  );
});
