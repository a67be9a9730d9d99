/** The directory of several machines' recording: on a disk that is full, and with a group that may read it. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, closeSync, lstatSync, openSync, readdirSync, rmSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { errnoOf } from "../../../src/base/errors.ts";
import { executable } from "../../support/agent-process.ts";
import { endsGuests, newWorld, recording, sessionOf, startGuests } from "../../support/fake-machines.ts";
import { numberedEvents } from "../../support/numbered.ts";
import { mallory } from "../../support/other-user.ts";
import { RecorderProcess, traceAgent } from "../../support/recorder-process.ts";
import { whyNoSmallDisk, withSmallDisk } from "../../support/small-disk.ts";
import { subBufferBytes } from "../../support/sub-buffers.ts";
import { testUnless } from "../../support/test-unless.ts";

setDefaultTimeout(300_000);
endsGuests();
const names = ["vm1", "vm2"] as const;
/** Takes all the room that a disk has. */
function fill(path: string): void {
  const fd = openSync(path, "w");
  try {
    for (let bytes = 1 << 20; bytes > 0; bytes >>= 1) {
      const zeros = Buffer.alloc(bytes);
      try {
        for (;;) writeSync(fd, zeros);
      } catch (error) {
        if (errnoOf(error) !== "ENOSPC") throw error;
      }
    }
  } finally {
    closeSync(fd);
  }
}

testUnless(
  whyNoSmallDisk(),
  "a full disk ends each machine, is told of each, and all that was spooled can be had",
  () =>
    withSmallDisk("256m", async (disk) => {
      const world = { ...newWorld(), out: `${disk}/out` };
      // Slow enough that both are recorded, and the disk is filled by the test, long before half of it has their own data.
      await startGuests(world, Object.fromEntries(names.map((name) => [name, { subBuffers: 0, numbered: 1 }])));
      const recorder = new RecorderProcess(["record", ...names.map(world.guest), "-o", world.out]);
      await recording(world, names);
      const filler = `${disk}/filler`;
      fill(filler);
      const end = await recorder.ended();
      expect(end.code).toBe(74);
      for (const name of names) {
        expect(end.stderr).toMatch(new RegExp(`${name}: the recording ended early: .*ENOSPC`));
        expect(end.stderr).toContain(`${name} has no file`);
      }
      expect(end.stderr).toContain(`what was received is kept in ${world.out}/.spool/vm2`);
      expect(end.stderr).toContain(`make room: trace-agent recover ${world.out}; `);
      // Its agent knows single settings only, and answers as ever.
      expect(end.stderr).not.toContain("did not confirm");
      expect(readdirSync(`${world.out}/.spool`).sort()).toEqual([...names]);
      const spooled = names.map((name) =>
        [0, 1].reduce((sum, cpu) => {
          const { size } = statSync(`${world.out}/.spool/${name}/cpu${cpu}`);
          return sum + Math.floor(size / subBufferBytes) * numberedEvents;
        }, 0),
      );
      rmSync(filler);
      const recovered = await traceAgent("recover", world.out);
      expect(recovered.code).toBe(74);
      const recordings = sessionOf(world).machines.map((machine) => machine.recordings[0]);
      expect(recordings.map((one) => one?.events)).toEqual(spooled);
      expect(recordings).toMatchObject(names.map((name) => ({ file: `${name}.dat`, state: "incomplete" })));
    }),
);

test("a group that is named may read all of it, while it is written and afterwards", async () => {
  const world = newWorld();
  // The folders above are the test's own.
  chmodSync(dirname(world.folder), 0o711);
  await startGuests(world, Object.fromEntries(names.map((name) => [name, {}])));
  const guests = names.map(world.guest);
  const entries = (): Record<string, { mode: number; gid: number }> =>
    Object.fromEntries(
      ["", ...readdirSync(world.out, { recursive: true, encoding: "utf8" })].map((path) => {
        // What is being written may have got its name meanwhile.
        const { mode = 0, gid = -1 } = lstatSync(`${world.out}/${path}`, { throwIfNoEntry: false }) ?? {};
        return [path, { mode: mode & 0o7777, gid }];
      }),
    );
  const readableBy = (...paths: string[]): void => {
    const { gid } = mallory;
    const found = entries();
    for (const path of paths) {
      const isFile = /\.(?:dat|json)$|cpu\d$|metadata$/.test(path);
      expect({ path, ...found[path] }).toEqual({ path, mode: isFile ? 0o640 : 0o750, gid });
    }
  };
  const recorder = new RecorderProcess(["record", ...guests, "--group", `${mallory.gid}`, "-o", world.out]);
  await recording(world, names);
  const spool = [".spool/vm1", ".spool/vm1/spool.json", ".spool/vm1/metadata", ".spool/vm1/cpu0", ".spool/vm2/cpu1"];
  readableBy("", "session.json", ".spool", ...spool);
  recorder.kill("SIGINT");
  const end = await recorder.ended();
  expect({ code: end.code, stderr: end.code === 0 ? "" : end.stderr }).toEqual({ code: 0, stderr: "" });
  readableBy("", "session.json", "vm1.dat", "vm2.dat");
  const cut = ["--rotate", "1h", "-d", "0.3", "--group", `${mallory.gid}`, "-o", world.out];
  expect(await traceAgent("record", ...guests, ...cut)).toMatchObject({ code: 0 });
  const segments = readdirSync(`${world.out}/vm1`);
  expect(segments.length).toBe(1);
  readableBy("session.json", "vm1", `vm1/${segments[0]}`);
  const { uid, gid } = mallory;
  const member = ["--reuid", `${uid}`, "--regid", `${gid}`, "--clear-groups"];
  const report = spawnSync("setpriv", [...member, executable, "report", "--stat", world.out], { encoding: "latin1" });
  expect({ status: report.status, stderr: report.status === 0 ? "" : report.stderr }).toEqual({
    status: 0,
    stderr: "",
  });
});
