/** What stands where a session's files should be. */
import { afterAll, expect, test } from "bun:test";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { tryLock } from "../../../ffi/lock.ts";
import { isSession } from "../../../src/trace-dat/session/is-session.ts";
import { readSession, sessionFiles } from "../../../src/trace-dat/session/read-session.ts";

const folder = mkdtempSync(`${tmpdir()}/ta-session-`);
afterAll(() => rmSync(folder, { recursive: true }));

test("a FIFO of the name session.json is not waited for", () => {
  Bun.spawnSync(["mkfifo", `${folder}/session.json`]);
  expect(isSession(folder)).toBe(false);
  expect(() => readSession(folder)).toThrow("it is not a regular file");
});

test("segments are one recording, or each one of its own with the number that it keeps when others are removed", () => {
  const path = `${folder}/cut`;
  mkdirSync(`${path}/vm1`, { recursive: true });
  const recordings = [2, 3, 4].map((number) => ({
    file: `vm1/${number}.dat`,
    state: "whole",
    number,
    traceId: "7",
    started: `2026-11-30T08:0${number}:00.000Z`,
  }));
  const machines = [{ name: "vm1", kind: "guest", recordings }];
  writeFileSync(`${path}/session.json`, JSON.stringify({ kind: "trace-agent session", version: 1, machines }));
  for (const number of [3, 4]) writeFileSync(`${path}/vm1/${number}.dat`, "");
  const files = [`${path}/vm1/3.dat`, `${path}/vm1/4.dat`];
  expect(sessionFiles(path)).toMatchObject([{ machine: "vm1", files, segment: 3 }]);
  expect(sessionFiles(path, true)).toMatchObject([
    { machine: "vm1", files: files.slice(0, 1), segment: 3, started: "2026-11-30T08:03:00.000Z" },
    { machine: "vm1", files: files.slice(1), segment: 4, started: "2026-11-30T08:04:00.000Z" },
  ]);
});

test("of a recorder that has no file yet it is told that it runs, and what to do", () => {
  const path = `${folder}/running`;
  mkdirSync(path);
  const machines = [{ name: "vm1", kind: "guest", recordings: [] }];
  writeFileSync(`${path}/session.json`, JSON.stringify({ kind: "trace-agent session", version: 1, machines }));
  expect(() => sessionFiles(path)).toThrow("it holds no recording");
  const fd = openSync(path, "r");
  expect(tryLock(fd)).toBeTrue();
  try {
    expect(() => sessionFiles(path)).toThrow(
      `a recorder (pid ${process.pid}) runs there, and no file of it is finished`,
    );
  } finally {
    closeSync(fd);
  }
});
