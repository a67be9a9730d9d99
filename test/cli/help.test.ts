/** Help, man pages and versions: of every command, from the one description of its arguments. */
import { describe, expect, test } from "bun:test";
import { commandHelp, programHelp } from "../../src/cli/help.ts";
import { agentEntry, commandGroups, knownEntries, loadCommand } from "../../src/cli/commands.ts";
import { commandPage, programPage } from "../../src/cli/man-page.ts";
import type { CommandText } from "../../src/cli/command.ts";
import { whyNoTools } from "../support/packages.ts";
import { isQuick } from "../support/quick.ts";
import { traceAgent } from "../support/recorder-process.ts";
import { testUnless } from "../support/test-unless.ts";

const program = (await agentEntry.load()).text;
const texts: CommandText[] = await Promise.all(knownEntries.map(async ({ load }) => (await load()).text));

test("every help is at most 80 columns wide, and tells every option once", () => {
  for (const text of [program, ...texts]) {
    const help = text === program ? programHelp(program, commandGroups) : commandHelp(text);
    const long = help.split("\n").filter((line) => line.length > 80);
    expect({ name: text.name, long }).toEqual({ name: text.name, long: [] });
    for (const name of Object.keys(text.flags)) {
      const lines = help.split("\n").filter((line) => new RegExp(`^ {2}(-., | {4})--${name}( |$)`).test(line));
      expect({ name: text.name, option: name, lines: lines.length }).toEqual({
        name: text.name,
        option: name,
        lines: 1,
      });
    }
  }
});

test("headings of options name options that are there, and each once", () => {
  for (const { name, groups = {}, flags } of [program, ...texts]) {
    const grouped = Object.values(groups).flat();
    expect({ name, unknown: grouped.filter((option) => !Object.hasOwn(flags, option)) }).toEqual({ name, unknown: [] });
    expect(new Set(grouped).size).toBe(grouped.length);
  }
});

test("options name others of their own command only", () => {
  for (const { name, flags } of [program, ...texts]) {
    const named = Object.values(flags).flatMap(({ description }) => description.match(/--[a-z][a-z-]+/g) ?? []);
    const unknown = named.filter((option) => !Object.hasOwn(flags, option.slice(2)));
    expect({ name, unknown }).toEqual({ name, unknown: [] });
  }
});

test("what can be done has examples, and they have commands and options that are there", async () => {
  const without = texts.filter(({ examples = [] }) => examples.length === 0).map(({ name }) => name);
  expect(without).toEqual(["help", "version", "licenses"]);
  for (const { examples = [] } of [program, ...texts]) {
    for (const { line } of examples) {
      const [, words = ""] = /trace-agent ?([^|>&)]*)/.exec(line) ?? [];
      const [name = "", ...others] = words.replace(/ -- .*/, "").split(" ");
      if (name === "") continue;
      const { flags } = (await loadCommand(name)).text;
      const forms = new Set(Object.entries(flags).flatMap(([flag, { short }]) => [`--${flag}`, `-${short}`]));
      const unknown = others.filter((word) => /^--?[a-z]/i.test(word) && !forms.has(word));
      expect({ line, unknown }).toEqual({ line, unknown: [] });
    }
  }
});

describe("the program's own commands", () => {
  test("help and --help, and version, --version and -V, say the same", async () => {
    const helps = await Promise.all([["help"], ["--help"], ["-h"]].map((words) => traceAgent(...words)));
    expect(new Set(helps.map(({ stdout }) => stdout)).size).toBe(1);
    expect(helps[0]?.stdout).toContain("Record and watch:\n");
    const ofCommand = await Promise.all(
      [
        ["help", "record"],
        ["record", "--help"],
      ].map((words) => traceAgent(...words)),
    );
    expect(ofCommand[0]?.stdout).toBe(ofCommand[1]?.stdout ?? "");
    expect(ofCommand[0]?.stdout).toContain("What is recorded:\n");
    const versions = await Promise.all([["version"], ["--version"], ["-V"]].map((words) => traceAgent(...words)));
    expect(new Set(versions.map(({ stdout }) => stdout)).size).toBe(1);
    expect(versions[0]?.stdout).toMatch(/^trace-agent \d+\.\d+\.\d+ \(commit ([0-9a-f]{12}(, changed)?|unknown)\)\n$/);
  });

  test("help of no command says what may have been meant", async () => {
    const { code, stderr } = await traceAgent("help", "recrod");
    expect({ code, stderr: stderr.includes("did you mean record?") }).toEqual({ code: 64, stderr: true });
  });
});

const noMan = await whyNoTools("man");
describe("man pages", () => {
  testUnless(noMan, "man pages are read by man without a warning, and show every option", async () => {
    // Each takes man 50 ms: a third of them in the quick form.
    for (const text of [program, ...texts].filter((_, number) => !isQuick || number % 3 === 0)) {
      const page =
        text === program ? programPage(program, commandGroups, "1.2.3") : commandPage(text, "A summary", "1.2.3");
      const man = Bun.spawnSync(["man", "--warnings", "-E", "UTF-8", "-l", "-"], {
        stdin: Buffer.from(page),
        env: { ...process.env, MANWIDTH: "80", LC_ALL: "C.UTF-8" },
      });
      expect({ name: text.name, warnings: man.stderr.toString() }).toEqual({ name: text.name, warnings: "" });
      const shown = Bun.stripANSI(man.stdout.toString()).replaceAll(/.[\b]/g, "");
      const missing = Object.keys(text.flags).filter((flag) => !shown.includes(`--${flag}`));
      expect({ name: text.name, missing }).toEqual({ name: text.name, missing: [] });
      for (const { line } of text.examples ?? []) expect(shown).toContain(line);
    }
  });
});
