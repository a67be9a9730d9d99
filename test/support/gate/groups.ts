/** What the gate runs side by side: checks, folders of tests, and single files that boot guests. */
import { dirname } from "node:path";
import { filesUnder, reaches } from "../imports.ts";

export type Group = {
  name: string;
  command: string[];
  kind: "check" | "tests" | "guest tests";
};

export type Selection = {
  /** Only test files whose path holds one of these; all when there is none. */
  patterns: readonly string[];
  /** Without guests. */
  quick: boolean;
  /** Only the files of which there is a longer form. */
  long: boolean;
};

/** What a test file reaches that boots guests under QEMU. */
const guestSupport = ["test/support/guest.ts", "test/support/arm64.ts"];
/** What a test file reaches of which there is a longer form. */
const longSupport = ["test/support/long.ts"];

/** The files of these folders mostly wait, together for a minute or more: each is a group, so that they wait side by side. */
const foldersInFiles = new Set(["test/host/run", "test/host/segments", "test/integration"]);

/** Against hanging only. Tests that need longer say so themselves. */
const testTimeoutMs = 300_000;

export const build = [process.execPath, "build.ts", "--quiet", "--install"];

const checks: Group[] = [
  {
    name: "types",
    kind: "check",
    // What it found of files that did not change since, nor what they import, is kept: a quarter of the time.
    command: ["node_modules/.bin/tsc", "--noEmit", "--incremental", "--tsBuildInfoFile", "dist/.stamps/types"],
  },
  {
    name: "types of the page",
    kind: "check",
    command: ["node_modules/.bin/tsc", "--noEmit", "-p", "src/views/html/page"],
  },
  {
    name: "linter",
    kind: "check",
    command: [process.execPath, "test/support/gate/lint.ts"],
  },
  {
    name: "format",
    kind: "check",
    command: ["node_modules/.bin/oxfmt", "-c", ".ci/oxfmt.json", "--check", "**/*.ts"],
  },
];

/** One process per folder, and one per file that boots guests or waits long: one that crashes or hangs costs only itself. */
export function groupsOf({ patterns, quick, long }: Selection): Group[] {
  const files = filesUnder("test", ".test.ts")
    .filter((file) => patterns.length === 0 || patterns.some((pattern) => file.includes(pattern)))
    .filter((file) => !long || reaches(file, longSupport));
  const folders = new Map<string, string[]>();
  const guests: Group[] = [];
  for (const file of files) {
    if (!reaches(file, guestSupport)) {
      const folder = foldersInFiles.has(dirname(file)) ? file : dirname(file);
      folders.set(folder, [...(folders.get(folder) ?? []), file]);
    } else if (!quick) {
      guests.push({ name: file, kind: "guest tests", command: testCommand([file]) });
    }
  }
  const tests = [...folders].map(([name, members]): Group => ({ name, kind: "tests", command: testCommand(members) }));
  return [...(patterns.length === 0 && !long ? checks : []), ...tests, ...guests];
}

function testCommand(files: readonly string[]): string[] {
  return [process.execPath, "test", "--timeout", `${testTimeoutMs}`, ...files.map((file) => `./${file}`)];
}
