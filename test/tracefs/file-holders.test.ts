/** Who has a file open: processes of this machine, by whatever name they know it. */
import { afterAll, afterEach, expect, test } from "bun:test";
import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closeFd, O, openFd } from "../../ffi/fd.ts";
import { makeFifo } from "../../ffi/pipe.ts";
import { describeHolder, holdersOf } from "../../src/tracefs/file-holders.ts";
import { eventually } from "../support/agent-process.ts";

const base = mkdtempSync(join(tmpdir(), "ta-holders-"));
const started: Bun.Subprocess[] = [];
afterEach(async () => {
  for (const child of started.splice(0)) {
    child.kill("SIGKILL");
    await child.exited;
  }
});
afterAll(() => rmSync(base, { recursive: true }));

/** A process with these redirections, which it has made when this resolves. */
async function holder(redirections: string): Promise<number> {
  const child = Bun.spawn(["sh", "-c", `exec ${redirections}; exec sleep 600`]);
  started.push(child);
  await eventually(() => readFileSync(`/proc/${child.pid}/comm`, "latin1") === "sleep\n", "it has them open");
  return child.pid;
}

test("holdersOf() names each process that has the file, and how: a reader, a second one that writes, one by another path", async () => {
  const [port, other] = [join(base, "port"), join(base, "other")];
  makeFifo(port, 0o600);
  writeFileSync(other, "");
  expect(holdersOf([port, other, join(base, "none")])).toEqual(
    new Map([port, other, join(base, "none")].map((path) => [path, []])),
  );
  const own = openFd(port, O.RDWR | O.NONBLOCK);
  expect(holdersOf([port]).get(port), "this process is none").toEqual([]);
  closeFd(own);
  const both = await holder(`3<>${port}`);
  const writer = await holder(`3>${port} 4>${port}`);
  mkdirSync(join(base, "elsewhere"));
  linkSync(port, join(base, "elsewhere/port"));
  const reader = await holder(`3<${base}/elsewhere/port 4<${other}`);
  const held = holdersOf([port, other]);
  const how = (path: string): unknown =>
    (held.get(path) ?? [])
      .toSorted((a, b) => a.pid - b.pid)
      .map(({ pid, command, reads, writes }) => ({ pid, command, reads, writes }));
  const one = { command: "sleep" };
  expect(how(port)).toEqual(
    [
      { ...one, pid: both, reads: true, writes: true },
      { ...one, pid: writer, reads: false, writes: true },
      { ...one, pid: reader, reads: true, writes: false },
    ].toSorted((a, b) => a.pid - b.pid),
  );
  expect(how(other)).toEqual([{ ...one, pid: reader, reads: true, writes: false }]);
});

test("describeHolder() shows nothing that steers a terminal, however a process names itself", () => {
  const named = { pid: 7, command: "\x1b[2Jx\ny\x9b1m", reads: true, writes: true };
  expect(describeHolder(named)).toBe("?[2Jx?y?1m (pid 7)");
});
