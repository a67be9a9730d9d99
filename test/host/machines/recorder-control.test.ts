/** `status DIR`, `stop DIR` and `snapshot DIR`: a recorder of fake guests, asked by other processes. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
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
import { withNamedGuests } from "../../support/named-guests.ts";
import { RecorderProcess, traceAgent } from "../../support/recorder-process.ts";
import { eventually, executable } from "../../support/agent-process.ts";

setDefaultTimeout(300_000);
endsGuests();

async function startRecorder(): Promise<{ world: World; recorder: RecorderProcess }> {
  const world = newWorld();
  await startGuests(world, { vm1: {}, vm2: { transport: "socket", cpus: 3 } });
  const recorder = new RecorderProcess(["record", world.guest("vm1"), world.guest("vm2"), "-o", world.out]);
  await recording(world, ["vm1", "vm2"]);
  await eventually(
    () => existsSync(`${world.out}/.control`),
    "it listens",
    () => "",
    300_000,
  );
  return { world, recorder };
}

type Told = { machines: { name: string; state: string; up: boolean; receivedBytes: number; cpus: unknown[] }[] };

/** Asked until it is as it should be. */
async function statusOf(world: World, isAsItShould: (told: Told) => boolean): Promise<Told> {
  for (const endMs = Date.now() + 300_000; ; await Bun.sleep(50)) {
    const { stdout, stderr } = await traceAgent("status", world.out, "--json");
    const told = stdout === "" ? undefined : (JSON.parse(stdout) as Told);
    if (told !== undefined && isAsItShould(told)) return told;
    if (Date.now() > endMs) throw new Error(`status ${world.out}: ${stdout}${stderr}`);
  }
}

describe("the recorder of a directory", () => {
  test("tells its status, and ends on order with all files whole", async () => {
    const { world, recorder } = await startRecorder();
    const told = await statusOf(
      world,
      // A guest is up when it has answered in the run.
      ({ machines }) =>
        machines.every(({ up }) => up) &&
        Bun.deepEquals(
          machines.map(({ receivedBytes }) => receivedBytes),
          [163_840, 245_760],
        ),
    );
    expect(told).toMatchObject({ pid: recorder.pid, directory: world.out, state: "recording", mode: "whole" });
    expect(told.machines).toMatchObject([
      { name: "vm1", kind: "guest", state: "recording", up: true, segments: 0, cpus: [{ cpu: 0 }, { cpu: 1 }] },
      { name: "vm2", receivedBytes: 3 * 20 * 4096, lost: { overrun: 0, dropped: 0, transit: 0 } },
    ]);
    const text = await traceAgent("status", world.out);
    expect(text.stdout).toMatch(/^vm2 +recording +245760 +0 +0 +0 +0 +(?:-|\d+\.\d s)$/m);
    expect(await traceAgent("snapshot", world.out)).toMatchObject({
      code: 69,
      stderr: expect.stringContaining("no ring (--last)"),
    });
    expect(await traceAgent("snapshot", world.out, "vm3")).toMatchObject({
      code: 69,
      stderr: expect.stringContaining('no machine "vm3"'),
    });
    const stop = await traceAgent("stop", world.out);
    expect(stop).toMatchObject({ code: 0, stdout: `${world.out}: its recorder has ended\n` });
    expect(statesOf(world)).toEqual({ vm1: ["vm1.dat whole 200"], vm2: ["vm2.dat whole 300"] });
    expect(sessionOf(world).ended).toBeString();
    expect((await recorder.ended()).code).toBe(0);
    expect(readdirSync(world.out).sort()).toEqual(["session.json", "vm1.dat", "vm2.dat"]);
  });

  test("is asked as . in it, also where guests have names", () =>
    withNamedGuests(async () => {
      const { world, recorder } = await startRecorder();
      const ask = (order: string): number =>
        Bun.spawnSync([executable, order, "."], { cwd: world.out, stdout: "ignore", stderr: "inherit" }).exitCode;
      expect([ask("status"), ask("stop")]).toEqual([0, 0]);
      expect((await recorder.ended()).code).toBe(0);
    }));

  test("writes metrics that everybody may read, at the start and at the end", () =>
    withNamedGuests(async () => {
      const world = newWorld();
      await startGuest(world.guest("vm1"));
      const path = `${world.folder}/vm.prom`;
      const recorder = new RecorderProcess([
        "record",
        world.guest("vm1"),
        "--join",
        "-o",
        world.out,
        "--metrics",
        path,
        "--metrics-per-cpu",
      ]);
      await recording(world, ["vm1"]);
      expect(readFileSync(path, "utf8")).toContain(`traceagent_build_info{session="${world.out}",`);
      await traceAgent("stop", world.out);
      await recorder.ended();
      const text = readFileSync(path, "utf8");
      expect(text).toContain(`traceagent_received_bytes_total{session="${world.out}",domain="vm1",cpu="1"} 81920\n`);
      expect(text).toContain(`traceagent_segments_total{session="${world.out}",domain="vm1"} 1\n`);
      expect(text).toContain(`traceagent_recording{session="${world.out}",domain="vm1"} 0\n`);
      expect(statSync(path).mode & 0o7777).toBe(0o644);
      const refused = [
        [["--metrics", `${world.out}/x.prom`, "-o", world.out, "--join"], 64, "it is in the input itself"],
        [["--metrics", `${world.folder}/none/x`, "-o", `${world.folder}/new`, "--join"], 74, "cannot write metrics to"],
        [["--metrics", "-", "-o", world.out, "--join"], 64, "again and again"],
        [["--metrics-per-cpu"], 64, "for --metrics"],
        [["--metrics", path], 64, "of a recording into a directory"],
      ] as const;
      for (const [args, code, message] of refused)
        expect(await traceAgent("record", world.guest("vm1"), ...args)).toMatchObject({
          code,
          stderr: expect.stringContaining(message),
        });
    }));

  test("that was killed does not answer, and the next one takes the place of its socket", () =>
    withNamedGuests(async () => {
      const { world, recorder } = await startRecorder();
      await recorder.killHard();
      expect(existsSync(`${world.out}/.control`)).toBeTrue();
      expect(await traceAgent("status", world.out)).toMatchObject({
        code: 69,
        stderr: expect.stringMatching(/no recorder runs in "[^"]+"; it has ended: .*trace-agent recover DIR/),
      });
      const next = new RecorderProcess(["record", world.guest("vm1"), "--join", "-o", world.out]);
      await statusOf(world, () => true);
      if (process.geteuid?.() === 0)
        expect((await traceAgent("status", "--recorders")).stdout).toContain(`${world.out} (trace-agent`);
      expect((await traceAgent("stop", world.out, "--json")).stdout).toContain('"state":"ended"');
      await next.ended();
    }));

  test("is not asked among guests, and a directory without one is told of", async () => {
    const world = newWorld();
    mkdirSync(world.guest("vm1"));
    mkdirSync(world.out);
    const first = await traceAgent("snapshot", world.out);
    expect(first).toMatchObject({
      code: 69,
      stderr: expect.stringMatching(/no recorder runs in "[^"]+"; name the DIR/),
    });
    expect(await traceAgent("snapshot", `${world.out}/none`)).toMatchObject({ code: 74 });
    expect(await traceAgent("status", "--recorders", "vm1")).toMatchObject({ code: 64 });
  });
});
