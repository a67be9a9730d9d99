/** What the kernel tells of directories. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { Inotify } from "../../ffi/inotify.ts";
import { IN } from "../../ffi/inotify-events.ts";

let folder = "";
let inotify: Inotify;
beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/ta-inotify-`);
  inotify = new Inotify();
});
afterEach(() => {
  inotify.close();
  rmSync(folder, { recursive: true });
});

const watches = (): Set<number> => new Set([...inotify.changes()].map(({ watch }) => watch));

test("tells which directory has an entry more or less, and nothing of what is written into files", () => {
  mkdirSync(`${folder}/a`);
  mkdirSync(`${folder}/b`);
  const [a, b] = [inotify.watch(`${folder}/a`), inotify.watch(`${folder}/b`)];
  expect(watches().size).toBe(0);
  const name = "n".repeat(200);
  writeFileSync(`${folder}/a/${name}`, "");
  expect([...inotify.changes()].map((change) => [change.watch, change.name])).toEqual([[a, name]]);
  writeFileSync(`${folder}/a/${name}`, "more");
  expect(watches().size).toBe(0);
  renameSync(`${folder}/a/${name}`, `${folder}/b/x`);
  expect(watches()).toEqual(new Set([a, b]));
  inotify.unwatch(b);
  expect([...inotify.changes()]).toEqual([{ watch: b, mask: IN.IGNORED, name: "" }]);
  rmSync(`${folder}/b/x`);
  expect(watches().size).toBe(0);
});

test("tells that a directory is gone, and refuses what is none", () => {
  mkdirSync(`${folder}/a`);
  const a = inotify.watch(`${folder}/a`);
  rmdirSync(`${folder}/a`);
  expect([...inotify.changes()].at(-1)).toEqual({ watch: a, mask: IN.IGNORED, name: "" });
  // The kernel has taken it away.
  inotify.unwatch(a);
  expect(() => inotify.watch(`${folder}/a`)).toThrow("ENOENT");
  writeFileSync(`${folder}/file`, "");
  expect(() => inotify.watch(`${folder}/file`)).toThrow("ENOTDIR");
});

test("tells that its queue had no room", () => {
  const watch = inotify.watch(folder);
  writeFileSync(`${folder}/0`, "");
  // Two events each: nothing of them can be told as one.
  const renames = Number(readFileSync("/proc/sys/fs/inotify/max_queued_events", "latin1")) / 2 + 1;
  for (let count = 0; count < renames; count++) renameSync(`${folder}/${count % 2}`, `${folder}/${(count + 1) % 2}`);
  const masks = [...inotify.changes()].filter((change) => change.watch !== watch);
  expect(masks).toEqual([{ watch: -1, mask: IN.Q_OVERFLOW, name: "" }]);
});
