/** A recorder as a service: what it tells its manager, and how it takes a change of its file. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { eventually } from "../../support/agent-process.ts";
import { DatagramSocket } from "../../support/datagram-socket.ts";
import { endsGuests, newWorld, recording, sessionOf, startGuest, type World } from "../../support/fake-machines.ts";
import { LiveProcess } from "../../support/live-process.ts";
import { withNamedGuests } from "../../support/named-guests.ts";
import { testUnless } from "../../support/test-unless.ts";
import { reasonWithoutTracefs } from "../../support/tracefs.ts";
import { RecorderProcess } from "../../support/recorder-process.ts";

setDefaultTimeout(300_000);
endsGuests();
let world: World;
let manager: DatagramSocket;
let reading: NodeJS.Timeout;
beforeAll(() => {
  world = newWorld();
  manager = new DatagramSocket(`${world.folder}/notify`);
  // Its queue holds ten messages (net.unix.max_dgram_qlen), and what has no room in it is not sent.
  reading = setInterval(() => manager.receive(), 20);
});
afterAll(() => {
  clearInterval(reading);
  manager.close();
});

/** `more`: keys behind those that every file here has. */
function writeConfig(more: string): string {
  const path = `${world.folder}/record.toml`;
  writeFileSync(path, `output = "${world.out}"\n${more}\n[machines.vm1]\ndir = "${world.guest("vm1")}"\n`);
  return path;
}

const hears = (text: string): Promise<void> =>
  eventually(
    () => manager.receive().some((message) => message.includes(text)),
    `"${text}"`,
    () => manager.messages.join("\n"),
    300_000,
  );

test("tells its manager that it is ready, lives, and what it does; a file that is changed counts at SIGHUP", async () => {
  await startGuest(world.guest("vm1"));
  const path = writeConfig("");
  const environment = { NOTIFY_SOCKET: `${world.folder}/notify`, WATCHDOG_USEC: "1000000" };
  const recorder = new LiveProcess(["record", "--config", path], environment);
  await hears("READY=1");
  await recording(world, ["vm1"]);
  await hears("STATUS=recording 1 machine;");
  const lives = (): number => manager.receive().filter((message) => message === "WATCHDOG=1").length;
  const before = lives();
  await eventually(() => lives() > before + 2, "three more signs of life");

  // The same, and what cannot be used: the recording goes on.
  recorder.process.kill("SIGHUP");
  const recordings = (): number => sessionOf(world).machines[0]?.recordings.length ?? 0;
  await recorder.says("says the same as before");
  writeConfig('duration = "x"');
  recorder.process.kill("SIGHUP");
  // No two signals of one kind wait.
  await recorder.says('cannot read duration "x"');
  writeConfig("duration = 1000");
  recorder.process.kill("SIGHUP");
  await eventually(() => recordings() === 2, "a second recording begins", undefined, 300_000);
  await recording(world, ["vm1"]);
  // What only the guest can refuse: this one has no such order.
  writeConfig("delay = 100");
  recorder.process.kill("SIGHUP");
  await recorder.says("recording as before");
  await eventually(() => recordings() === 3, "a third recording begins", undefined, 300_000);
  await recording(world, ["vm1"]);
  recorder.process.kill("SIGTERM");
  const code = await recorder.ended();
  expect({ code, said: recorder.stderr }).toMatchObject({ code: 0 });
  // It would make systemd wait for an end that is not near: a reload makes a new recording.
  expect(manager.receive().filter((message) => message.includes("STOPPING"))).toEqual([]);
  expect(sessionOf(world).machines[0]?.recordings.map(({ state }) => state)).toEqual(["whole", "whole", "whole"]);
});

testUnless(reasonWithoutTracefs(), "the agent of this machine itself tells the manager nothing", async () => {
  manager.receive();
  const before = manager.messages.length;
  const words = ["record", "--local", "-e", "sched_process_exec", "-d", "0.1", "-o", `${world.folder}/local.dat`];
  const recorder = new LiveProcess(words, { NOTIFY_SOCKET: `${world.folder}/notify` });
  expect({ code: await recorder.ended(), said: recorder.stderr }).toMatchObject({ code: 0 });
  expect(manager.receive().slice(before)).toEqual([]);
});

test("ends with 0 where guests may come and none came", () =>
  withNamedGuests(async () => {
    const path = `${world.folder}/none.toml`;
    const out = `${world.folder}/none`;
    writeFileSync(path, `output = "${out}"\njoin = true\n`);
    const recorder = new RecorderProcess(["record", "--config", path]);
    await eventually(() => existsSync(`${out}/.control`), "it listens", undefined, 300_000);
    recorder.kill("SIGTERM");
    expect((await recorder.ended()).code).toBe(0);
    expect(
      existsSync(`${out}/session.json`) && readFileSync(`${out}/session.json`, "utf8").includes('"recordings":[{'),
    ).toBe(false);
  }));
