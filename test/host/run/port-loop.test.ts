/** The loop that serves all ports: none of them keeps it from the others, whatever its guest sends. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { closeFd, O, openFd, writeFrom } from "../../../ffi/fd.ts";
import { makeFifo } from "../../../ffi/pipe.ts";
import { hostLimits } from "../../../src/host/limits.ts";
import { PortLoop, Served } from "../../../src/host/run/port-loop.ts";

const folder = mkdtempSync(`${tmpdir()}/ta-port-loop-`);
afterAll(() => rmSync(folder, { recursive: true }));

/** Ready to be read, and never read. */
function readyFifo(name: string): number {
  const path = `${folder}/${name}`;
  makeFifo(path, 0o600);
  const fd = openFd(path, O.RDWR | O.NONBLOCK);
  writeFrom(fd, new Uint8Array([1]));
  return fd;
}

test.each(["first", "last"])(
  "ports are served as often as one that takes long each time and comes %s",
  async (place) => {
    const loop = new PortLoop();
    const fds = Array.from({ length: 4 }, (_, index) => readyFifo(`${place}${index}`));
    const slow = place === "first" ? fds[0] : fds.at(-1);
    const counts = new Map<number, number>();
    for (const fd of fds)
      loop.watch(fd, () => {
        counts.set(fd, (counts.get(fd) ?? 0) + 1);
        if (fd === slow) Bun.sleepSync(hostLimits.pumpBusyMs + 1);
        return Served.all;
      });
    const turns = 5;
    await loop.until(100_000, () => (counts.get(slow ?? -1) ?? 0) >= turns);
    const others = fds.filter((fd) => fd !== slow).map((fd) => counts.get(fd) ?? 0);
    expect(Math.min(...others)).toBeGreaterThanOrEqual(turns - 1);
    loop.close();
    for (const fd of fds) closeFd(fd);
  },
);

test("a port that rests is served again after it, and one that is unwatched meanwhile is not", async () => {
  const loop = new PortLoop();
  const [resting = -1, gone = -1] = ["resting", "gone"].map(readyFifo);
  const counts = new Map<number, number>();
  for (const fd of [resting, gone])
    loop.watch(fd, () => {
      counts.set(fd, (counts.get(fd) ?? 0) + 1);
      loop.rest(fd, 1);
      return Served.all;
    });
  await loop.until(100_000, () => counts.size === 2);
  loop.unwatch(gone);
  const before = counts.get(gone);
  await loop.until(100_000, () => (counts.get(resting) ?? 0) >= 5);
  expect(counts.get(gone)).toBe(before);
  loop.close();
  for (const fd of [resting, gone]) closeFd(fd);
});
