/** Several machines in one recording: fake guests over real FIFOs and sockets, and this machine itself as the host. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { openTraceDat } from "../../../src/trace-dat/read/reader.ts";
import { eventually } from "../../support/agent-process.ts";
import {
  endsGuests,
  newWorld,
  recording,
  sessionOf,
  startGuest,
  startGuests,
  statesOf,
  type World,
} from "../../support/fake-machines.ts";
import { LiveProcess } from "../../support/live-process.ts";
import { type CommandEnd, RecorderProcess, traceAgent } from "../../support/recorder-process.ts";
import { withNamedGuests } from "../../support/named-guests.ts";
import { timed } from "../../support/timing.ts";
import { testUnless } from "../../support/test-unless.ts";
import { reasonWithoutTracefs, unmountTracefs } from "../../support/tracefs.ts";

setDefaultTimeout(300_000);
endsGuests();
const noTracefs = reasonWithoutTracefs();
afterAll(unmountTracefs);

/** Waits until the recorder has what this guest of two CPUs sends at its start. */
const allSpooled = (world: World, name: string): Promise<void> =>
  eventually(
    () => [0, 1].every((cpu) => statSync(`${world.out}/.spool/${name}/cpu${cpu}`).size === 20 * 4096),
    `all of ${name} is spooled`,
    undefined,
    300_000,
  );

describe("record of two guests", () => {
  test("over FIFOs and sockets has a file of each, and session.json tells what they are", async () => {
    const world = newWorld();
    await startGuests(world, { vm1: {}, vm2: { transport: "socket", subBuffers: 30, cpus: 3 } });
    const end = await traceAgent("record", world.guest("vm1"), world.guest("vm2"), "-d", "0.5", "-o", world.out);
    expect({ code: end.code, stderr: end.code === 0 ? "" : end.stderr }).toEqual({ code: 0, stderr: "" });
    expect(readdirSync(world.out).sort()).toEqual(["session.json", "vm1.dat", "vm2.dat"]);
    expect(statesOf(world)).toEqual({ vm1: ["vm1.dat whole 200"], vm2: ["vm2.dat whole 450"] });
    const session = sessionOf(world);
    expect(session.clocks).toEqual({ vm1: "local", vm2: "local" });
    for (const { name, recordings } of session.machines) {
      const source = openTraceDat(`${world.out}/${recordings[0]?.file}`);
      expect({ name, traceId: `${source.metadata.traceId}` }).toEqual({ name, traceId: recordings[0]?.traceId ?? "" });
      source.close();
    }
    expect(end.stdout).toContain(`${world.out}: 2 machines (vm1, vm2)`);
  });

  test("goes on when one of them ends early, says so at once, and ends with 74", async () => {
    const world = newWorld();
    await startGuest(world.guest("vm1"), { transport: "socket", endMs: 200 });
    await startGuest(world.guest("vm2"));
    const recorder = new LiveProcess(["record", world.guest("vm1"), world.guest("vm2"), "-o", world.out]);
    await recorder.says("vm1: the recording ended early: the VM has ended");
    recorder.process.kill("SIGINT");
    expect(await recorder.ended()).toBe(74);
    expect(statesOf(world)).toMatchObject({ vm1: ["vm1.dat incomplete 200"], vm2: ["vm2.dat whole 200"] });
    expect(sessionOf(world).machines[0]?.recordings[0]?.reason).toContain("the VM has ended");
  });

  test("tells in session.json at once that a guest booted again, while the others go on", async () => {
    const world = newWorld();
    const vm1 = await startGuest(world.guest("vm1"));
    await startGuest(world.guest("vm2"));
    const recorder = new RecorderProcess(["record", world.guest("vm1"), world.guest("vm2"), "-o", world.out]);
    await recording(world, ["vm1", "vm2"]);
    await allSpooled(world, "vm1");
    // It boots again.
    await vm1.reboot();
    const ofVm1 = (): unknown => sessionOf(world).machines[0]?.recordings[0];
    await eventually(
      () => JSON.stringify(ofVm1() ?? "").includes("booted again"),
      "the end of vm1 is told",
      () => readFileSync(`${world.out}/session.json`, "utf8"),
      300_000,
    );
    expect(ofVm1()).toMatchObject({ state: "recording", ended: expect.any(String) });
    expect(sessionOf(world).machines[1]?.recordings).toMatchObject([{ state: "recording" }]);
    recorder.kill("SIGINT");
    const end = await recorder.ended();
    expect({ code: end.code, stderr: end.stderr }).toEqual({
      code: 74,
      stderr: expect.stringContaining("vm1: the recording ended early: the guest's agent restarted"),
    });
    expect(statesOf(world)).toMatchObject({ vm1: ["vm1.dat incomplete 200"], vm2: ["vm2.dat whole 200"] });
  });

  test("ends at the size of the whole", async () => {
    const world = newWorld();
    const guests = [world.guest("vm1"), world.guest("vm2")];
    const agents = await startGuests(world, { vm1: { endless: "later" }, vm2: { endless: "later" } });
    const recorder = new RecorderProcess(["record", ...guests, "-m", "8M", "-o", world.out]);
    // One that sends as much at once would end it before the other has started.
    await recording(world, ["vm1", "vm2"]);
    await agents.sendWithoutEnd();
    const end = await recorder.ended();
    expect({ code: end.code, stderr: end.code === 0 ? "" : end.stderr }).toEqual({ code: 0, stderr: "" });
    const bytes = sessionOf(world).machines.flatMap(({ recordings }) => recordings.map((one) => one.bytes ?? 0));
    const sum = bytes.reduce((all, one) => all + one, 0);
    expect(sum).toBeGreaterThanOrEqual(8 * 1024 * 1024);
    // What the guests still had at the stop is bounded by the size, too.
    expect(sum).toBeLessThan(32 * 1024 * 1024);
  });

  test("is refused while another recorder writes the directory, and so is recover", async () => {
    const world = newWorld();
    const guests = [world.guest("vm1"), world.guest("vm2")];
    await startGuests(world, { vm1: {}, vm2: {} });
    const recorder = new RecorderProcess(["record", ...guests, "-o", world.out]);
    await recording(world, ["vm1", "vm2"]);
    const second = await traceAgent("record", ...guests, "-o", world.out);
    expect(second).toMatchObject({ code: 69, stderr: expect.stringContaining("another recorder writes it") });
    expect(await traceAgent("recover", world.out)).toMatchObject({ code: 69 });
    recorder.kill("SIGINT");
    expect((await recorder.ended()).code).toBe(0);
    expect(statesOf(world)).toEqual({ vm1: ["vm1.dat whole 200"], vm2: ["vm2.dat whole 200"] });
  });

  test("leaves out what another program holds, tells it, and ends with 69 when nothing is left", async () => {
    const world = newWorld();
    await startGuests(world, { vm1: {}, vm2: {} });
    const other = new RecorderProcess(["record", world.guest("vm1"), "-o", `${world.folder}/other.dat`]);
    await other.recording(`${world.folder}/other.dat`);
    const end = await traceAgent("record", world.guest("vm1"), world.guest("vm2"), "-d", "0.3", "-o", world.out);
    expect({ code: end.code, stderr: end.stderr }).toEqual({
      code: 74,
      stderr: expect.stringContaining("vm1 is not recorded"),
    });
    expect(statesOf(world)).toEqual({ vm1: expect.stringContaining("uses it"), vm2: ["vm2.dat whole 200"] });
    const alone = await traceAgent("record", world.guest("vm1"), world.guest("vm9"), "-o", `${world.folder}/none`);
    expect(alone.code).toBe(69);
    expect(existsSync(`${world.folder}/none`)).toBe(false);
    other.kill("SIGINT");
    expect((await other.ended()).code).toBe(0);
  });

  test("that is killed is recovered whole, or continued by the next recorder", async () => {
    const world = newWorld();
    const guests = [world.guest("vm1"), world.guest("vm2")];
    await startGuests(world, { vm1: {}, vm2: {} });
    const first = new RecorderProcess(["record", ...guests, "-o", world.out]);
    await recording(world, ["vm1", "vm2"]);
    await allSpooled(world, "vm2");
    await first.killHard();
    const recovered = await traceAgent("recover", world.out);
    expect(recovered.stderr).toContain("the recorder was killed");
    expect(statesOf(world)).toMatchObject({
      vm1: [expect.stringMatching(/^vm1\.dat incomplete /)],
      vm2: ["vm2.dat incomplete 200"],
    });
    // Nobody but the spools has what was received: they are kept, and told once.
    const files = ["session.json", "vm1.dat", "vm1.dat.spool", "vm2.dat", "vm2.dat.spool"];
    expect(readdirSync(world.out).sort()).toEqual(files);
    expect(recovered.stderr).toContain(`rm -r ${world.out}/vm2.dat.spool`);
    expect(await traceAgent("recover", world.out)).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("nothing is left"),
    });
    expect(readdirSync(world.out).sort()).toEqual(files);
    // Of a machine that had not answered yet, and something that no recorder made.
    mkdirSync(`${world.out}/.spool/vm3`, { recursive: true });
    writeFileSync(`${world.out}/.spool/letter`, "dear");
    expect(await traceAgent("recover", world.out)).toMatchObject({
      code: 74,
      stderr: expect.stringContaining("letter"),
    });
    expect(readdirSync(`${world.out}/.spool`)).toEqual(["letter"]);
    rmSync(`${world.out}/.spool/letter`);
    const again = await traceAgent("record", ...guests, "-d", "0.3", "-o", world.out);
    expect({ code: again.code, stderr: again.code === 0 ? "" : again.stderr }).toEqual({ code: 0, stderr: "" });
    expect(statesOf(world)["vm2"]).toEqual(["vm2.dat incomplete 200", "vm2-2.dat whole 200"]);
  });

  test("stops all of them on Ctrl-C, and tells how long that took", async () => {
    const world = newWorld();
    const names = Array.from({ length: 16 }, (_, index) => `vm${index}`);
    await startGuests(world, Object.fromEntries(names.map((name) => [name, { cpus: 1, subBuffers: 3 }])));
    const recorder = new RecorderProcess(["record", ...names.map(world.guest), "-o", world.out]);
    await recording(world, names);
    const askedMs = Date.now();
    recorder.kill("SIGINT");
    let end: CommandEnd | undefined;
    const timing = await timed(async () => (end = await recorder.ended()));
    expect({ code: end?.code, stderr: end?.code === 0 ? "" : end?.stderr }).toEqual({ code: 0, stderr: "" });
    const ends = sessionOf(world).machines.map(({ recordings }) => Date.parse(recordings[0]?.ended ?? ""));
    const stopMs = Math.max(...ends) - askedMs;
    console.log(
      `16 guests stopped ${stopMs} ms after Ctrl-C; the machine was up to ${timing.lateMs.toFixed(0)} ms late`,
    );
    for (const { recordings } of sessionOf(world).machines)
      expect(recordings).toMatchObject([{ state: "whole", events: 15 }]);
  });
});

describe("a machine that comes later", () => {
  test("is recorded when it is back, in a file of its own", () =>
    withNamedGuests(async () => {
      // Joining looks below /run/virtio-trace; the guest is one of this test alone.
      const name = `ta-test-join-${process.pid}`;
      const directory = `/run/virtio-trace/${name}`;
      const world = newWorld();
      try {
        mkdirSync("/run/virtio-trace", { recursive: true });
        await startGuest(world.guest("vm1"));
        const recorder = new RecorderProcess(["record", world.guest("vm1"), "--join", "-o", world.out]);
        await recording(world, ["vm1"]);
        const agent = await startGuest(directory, { transport: "socket", subBuffers: 5 });
        await recording(world, [name]);
        await agent.end();
        await eventually(
          () =>
            sessionOf(world).machines.some(
              (machine) => machine.name === name && machine.recordings[0]?.ended !== undefined,
            ),
          "its end is noted",
          () => readFileSync(`${world.out}/session.json`, "utf8"),
          300_000,
        );
        recorder.kill("SIGINT");
        const end = await recorder.ended();
        expect(end.code).toBe(74);
        expect(statesOf(world)).toMatchObject({ vm1: ["vm1.dat whole 200"], [name]: [`${name}.dat incomplete 50`] });
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    }));
});

describe("record of the host and a guest", () => {
  testUnless(noTracefs, "starts the host first and stops it last, and the host has its scheduler events", async () => {
    const world = newWorld();
    await startGuest(world.guest("vm1"));
    const recorder = new RecorderProcess(["record", world.guest("vm1"), "--host", "-d", "1", "-o", world.out]);
    const end = await recorder.ended();
    expect({ code: end.code, stderr: end.code === 0 ? "" : end.stderr }).toEqual({ code: 0, stderr: "" });
    expect(existsSync(`/sys/kernel/tracing/instances/trace-agent-${recorder.pid}`)).toBeFalse();
    const [host, vm1] = sessionOf(world).machines.map(({ recordings }) => recordings[0]);
    expect(host?.events).toBeGreaterThan(100);
    expect(String(host?.started) <= String(vm1?.started)).toBeTrue();
    expect(String(host?.ended) >= String(vm1?.ended)).toBeTrue();
    const report = await traceAgent("report", `${world.out}/host.dat`, "-e", "sched_switch");
    expect(report.stdout.split("\n").length).toBeGreaterThan(50);
  });

  testUnless(
    noTracefs,
    "names the threads of a guest that answers nothing too, as the kernel's own agent",
    async () => {
      const world = newWorld();
      await startGuest(world.guest("vm1"), { silent: true });
      // No thread has such numbers: the kernel's are below 4194304.
      const args = ["--wait", "1", "--vcpus", "vm1=2000000001,2000000002", "-d", "0.3", "-o", world.out];
      const end = await traceAgent("record", world.guest("vm1"), "--host", ...args);
      expect({ code: end.code, stderr: end.code === 0 ? "" : end.stderr }).toEqual({ code: 0, stderr: "" });
      const host = openTraceDat(`${world.out}/host.dat`);
      const { guests } = host.metadata;
      host.close();
      expect(guests?.map(({ name, tasks }) => ({ name, tasks }))).toEqual([
        { name: "vm1", tasks: [2000000001, 2000000002] },
      ]);
      expect(sessionOf(world).offsets["vm1"]).toEqual({
        method: "unknown",
        reason: "its agent does not answer, and no sched_switch of its vCPU threads on the host",
      });
    },
  );
});

describe("the command line", () => {
  test("refuses a directory that holds something else, and a file", async () => {
    const world = newWorld();
    mkdirSync(world.out);
    writeFileSync(`${world.out}/letter`, "dear");
    const guests = [world.guest("vm1"), world.guest("vm2")];
    expect(await traceAgent("record", ...guests, "-o", world.out)).toMatchObject({
      code: 64,
      stderr: expect.stringContaining("it is a directory that holds something else"),
    });
    expect(await traceAgent("record", ...guests, "-o", `${world.out}/letter`)).toMatchObject({
      code: 64,
      stderr: expect.stringContaining("it is no directory"),
    });
    expect(readFileSync(`${world.out}/letter`, "utf8")).toBe("dear");
  });
});
