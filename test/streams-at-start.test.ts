/** What a command loads at its start: none of node's modules that bring streams with them, 3 to 5 ms of CPU each. */
import { expect, test } from "bun:test";
import { filesUnder, textOf } from "./support/imports.ts";

/** node:util brings none, but takes 1.5 ms. */
const heavy = /^import (?!type).* from "node:(crypto|http|net|stream|tty|util|zlib|child_process)[^"]*"/m;

/** Loaded themselves when they are needed, the UI with the command that serves it. */
const loadedLater = ["src/guest/control/packed-metadata.ts", "src/host/machines/qmp-vcpus.ts"];
const ownPrograms = /^(?:src\/views\/(?:html\/page|perfetto-ui)|ffi\/static)\//;

const shipped = [...filesUnder("src", ".ts"), ...filesUnder("ffi", ".ts")].filter((file) => !ownPrograms.test(file));

test("no file that a command starts with imports what brings streams", () => {
  expect(shipped.filter((file) => heavy.test(textOf(file)))).toEqual(loadedLater);
});

test("those that do are imported when they are needed: at its start by `metadata` alone, which always packs", () => {
  const early = /^import (?!type).*\/(?:packed-metadata|qmp-vcpus)\.ts"/m;
  expect(shipped.filter((file) => early.test(textOf(file)))).toEqual(["src/cli/metadata.ts"]);
});
