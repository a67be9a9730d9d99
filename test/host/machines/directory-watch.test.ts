/** Directories of guests that come and go, with inotify and without. */
import { afterEach, beforeEach, expect, spyOn, test } from "bun:test";
import { mkdirSync, mkdtempSync, openSync, closeSync, readFileSync, renameSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { E, SystemError } from "../../../ffi/errno.ts";
import { Inotify } from "../../../ffi/inotify.ts";
import { log } from "../../../src/base/log.ts";
import { DirectoryWatch } from "../../../src/host/machines/directory-watch.ts";

let folder = "";
let parent = "";
let serve = (): unknown => undefined;
const loop = { watch: (_: number, served: () => unknown) => void (serve = served), unwatch: () => {} };
beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/ta-watch-`);
  parent = `${folder}/guests`;
  serve = () => undefined;
});
afterEach(() => rmSync(folder, { recursive: true }));

const taken = (watch: DirectoryWatch): string[] => {
  serve();
  return [...watch.take()].map((path) => path.slice(folder.length + 1)).sort();
};

test("a directory is told when it is there, when it changes, and when another has its name", () => {
  const watch = new DirectoryWatch(loop);
  const paths = [parent, `${parent}/vm1`];
  watch.refresh(paths);
  expect(taken(watch)).toEqual([]);
  mkdirSync(parent);
  watch.refresh(paths);
  expect(taken(watch)).toEqual(["guests"]);
  mkdirSync(`${parent}/vm1`);
  expect(taken(watch)).toEqual(["guests"]);
  watch.refresh(paths);
  expect(taken(watch)).toEqual(["guests/vm1"]);
  mkdirSync(`${parent}/vm1/x`);
  expect(taken(watch)).toEqual(["guests/vm1"]);
  rmSync(parent, { recursive: true });
  expect(taken(watch)).toEqual(["guests", "guests/vm1"]);
  watch.refresh(paths);
  expect(taken(watch)).toEqual([]);
  mkdirSync(parent);
  // Somebody holds it open: its end is not told.
  const held = openSync(parent, "r");
  watch.refresh(paths);
  expect(taken(watch)).toEqual(["guests"]);
  rmdirSync(parent);
  mkdirSync(parent);
  watch.refresh(paths);
  expect(taken(watch)).toEqual(["guests"]);
  mkdirSync(`${parent}/vm2`);
  expect(taken(watch)).toEqual(["guests"]);
  closeSync(held);
  watch.close();
});

test("after what had no room in the queue all of them are looked at", () => {
  mkdirSync(`${parent}/vm1`, { recursive: true });
  const watch = new DirectoryWatch(loop);
  watch.refresh([parent, `${parent}/vm1`]);
  taken(watch);
  const renames = Number(readFileSync("/proc/sys/fs/inotify/max_queued_events", "latin1")) / 2 + 1;
  mkdirSync(`${parent}/0`);
  for (let count = 0; count < renames; count++) renameSync(`${parent}/${count % 2}`, `${parent}/${(count + 1) % 2}`);
  expect(taken(watch)).toEqual(["guests", "guests/vm1"]);
  watch.close();
});

test.each([
  [
    "there is no inotify",
    (): Inotify => {
      throw new SystemError("inotify_init1", "", E.ENOSYS);
    },
  ],
  [
    "all watches are used up",
    (): Inotify => {
      const inotify = new Inotify();
      spyOn(inotify, "watch").mockImplementation((path) => {
        throw new SystemError("inotify_add_watch", path, E.ENOSPC);
      });
      return inotify;
    },
  ],
])("where %s each look counts as a change, which is said once", (_, open) => {
  mkdirSync(`${parent}/vm1`, { recursive: true });
  const told = spyOn(log, "info").mockImplementation(Object.assign(() => {}, { raw: () => {} }));
  const watch = new DirectoryWatch(loop, open);
  for (let round = 0; round < 3; round++) {
    watch.refresh([parent, `${parent}/vm1`, `${parent}/vm2`]);
    expect(taken(watch)).toEqual(["guests", "guests/vm1"]);
  }
  expect(told.mock.calls.map(([text]) => text)).toEqual([
    expect.stringMatching(/looked at each second, .*E(NOSYS|NOSPC)/),
  ]);
  told.mockRestore();
  watch.close();
});
