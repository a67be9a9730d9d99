/** Regular expressions over text of guests and files: none of them tracks back so that its time grows faster than the text. */
import { expect, test } from "bun:test";
import { filesUnder, textOf } from "./support/imports.ts";
import { inQuickForm } from "./support/quick.ts";
import { cpuMsOf } from "./support/timing.ts";

/** Rooms whose text is foreign, more or less. Above them stand the user's own options. */
const rooms = ["base", "protocol", "tracefs", "ring-buffer", "events", "trace-dat", "timeline", "views", "host/live"];
const length = 16_000;
/** Of CPU time: a linear one takes a fraction of a millisecond, a quadratic one from 0.13 seconds on. */
const mostMs = 25;
/** Of a text a sixth as long a quadratic one takes a 36th: what is faster needs no long text. */
const shortLength = length / 6;
const shortMostMs = 1;

/** Over paths that the user gives, which the kernel bounds to 4096 bytes. */
const overPaths = new Set(["src/base/output-place.ts", "src/base/private-directory.ts", "src/views/export.ts"]);

type Pattern = { where: string; source: string; flags: string };

/** Literals, and what `new RegExp` is given as a template; a name in it stands for a word. */
function patternsOf(file: string): Pattern[] {
  const text = textOf(file).replaceAll(/^\s*(?:\/\/|\/?\*).*$/gm, "");
  const literals = [
    ...text.matchAll(
      /(?<=[(=,:[!&|?>]\s*)\/((?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])*)\/([dgimsuvy]*)(?=[.,;)\]\s])/g,
    ),
  ];
  const made = [...text.matchAll(/new RegExp\(`((?:\\.|[^`\\])*)`(?:, "([a-z]*)")?\)/g)].map(
    ([, source = "", flags = ""]) => ["", source.replaceAll(/\$\{[^}]*\}/g, "word").replaceAll("\\\\", "\\"), flags],
  );
  return [...literals, ...made].map(([, source = "", flags = ""]) => ({ where: file, source, flags }));
}

/** Texts that begin as the pattern does, go on with what it repeats, and end as it does not. */
function attacks({ source }: Pattern): ((chars: number) => string)[] {
  const plain = source.replaceAll(/\\[bBdDsSwWnrtvf0]|\\p\{\w+\}|\\x[\da-f]{2}|\\u[\da-f]{4}|[\\^$()[\]{}?*+|]/g, " ");
  const words = plain.split(/\s+/).filter((word) => word !== "");
  const chars = [
    ...new Set([" ", "\t", "\n", "0", "a", "_", ".", "]", "[", '"', "\\", ":", ";", ...plain.split("")]),
  ].slice(0, 24);
  const pairs = chars.flatMap((first) => chars.slice(0, 8).map((second) => first + second));
  // Every third pair in the quick form.
  const units = [...chars, ...words, ...pairs.filter((_, index) => index % inQuickForm(3, 1) === 0)];
  const starts = ["", ...words.slice(0, 3), words.join(" ")];
  return units.flatMap((unit) =>
    starts.map(
      (start) => (chars: number) => `${start}${unit.repeat(Math.ceil(chars / unit.length)).slice(0, chars)}\u0001`,
    ),
  );
}

function time(pattern: RegExp, text: string): number {
  pattern.lastIndex = 0;
  return cpuMsOf(() => {
    if (pattern.global) for (const _ of text.matchAll(pattern));
    else pattern.exec(text);
  });
}

/** Whether a text takes it too long, each of so many times: the runtime collects and compiles beside it. */
function isSlow(pattern: Pattern, times: number): boolean {
  const compiled = new RegExp(pattern.source, pattern.flags);
  return attacks(pattern).some((attack) => {
    if (time(compiled, attack(shortLength)) <= shortMostMs) return false;
    const text = attack(length);
    return Array.from({ length: times }).every(() => time(compiled, text) > mostMs);
  });
}

test("patterns over foreign text take a time that is linear in the text", () => {
  const patterns = rooms
    .flatMap((room) => filesUnder(`src/${room}`, ".ts"))
    .filter((file) => !overPaths.has(file))
    .flatMap(patternsOf);
  expect(patterns.length).toBeGreaterThan(30);
  const slow = patterns.filter((pattern) => isSlow(pattern, 3));
  expect(slow.map(({ where, source }) => `${where}: /${source}/`)).toEqual([]);
}, 300_000);

test("a pattern that tracks back is found", () => {
  for (const source of ["^(.*?)\\s*\\b(\\w+)((?:\\[[^\\]]*\\])*)$", "^\\s*(\\d{1,10}) (\\d{1,10})$", "\\s*\\[.*$"]) {
    const pattern = { where: "", source, flags: source.startsWith("^\\s") ? "gm" : "s" };
    expect([source, isSlow(pattern, 1)]).toEqual([source, true]);
  }
}, 300_000);
