/** Commands that take several guests at once: fake guests over real FIFOs and sockets. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, rmSync } from "node:fs";
import { eventually, executable } from "../support/agent-process.ts";
import { endsGuests, newWorld, startGuest, startGuests, type World } from "../support/fake-machines.ts";
import { LiveProcess } from "../support/live-process.ts";
import { withNamedGuests } from "../support/named-guests.ts";
import { traceAgent } from "../support/recorder-process.ts";

setDefaultTimeout(300_000);
endsGuests();

async function twoGuests(): Promise<{ world: World; guests: string[] }> {
  const world = newWorld();
  await startGuests(world, { vm1: {}, "guest-2": { transport: "socket", cpus: 3 } });
  return { world, guests: [world.guest("vm1"), world.guest("guest-2")] };
}

describe("status, start and stop of several guests", () => {
  test("print a table of all CPUs, with the guests' names", async () => {
    const { guests } = await twoGuests();
    const status = await traceAgent("status", ...guests);
    expect(status).toMatchObject({ code: 0, stderr: "" });
    const [head = "", ...rows] = status.stdout.trimEnd().split("\n");
    expect(head).toMatch(/^guest +agent +CPU +state/);
    expect(rows.map((row) => row.split(/ +/).slice(0, 3).join(" "))).toEqual([
      "vm1 armed 0",
      "vm1 armed 1",
      "guest-2 armed 0",
      "guest-2 armed 1",
      "guest-2 armed 2",
    ]);
    expect((await traceAgent("start", ...guests)).stdout).toMatch(/^guest-2 +running +2 +\d+$/m);
    expect((await traceAgent("stop", ...guests)).stdout).toMatch(/^vm1 +armed +1 +\d+$/m);
  });

  test("give a list in JSON; what one of them does not answer is in it, and the exit code tells", async () => {
    const { world, guests } = await twoGuests();
    const end = await traceAgent("status", ...guests, world.guest("vm3"), "--json");
    expect(end.code).toBe(69);
    expect(JSON.parse(end.stdout)).toMatchObject([
      { machine: "vm1", reply: "status", hello: { reply: "hello" } },
      { machine: "guest-2", cpus: [{ cpu: 0 }, { cpu: 1 }, { cpu: 2 }] },
      { machine: "vm3", error: expect.stringContaining("cannot find guest directory") },
    ]);
    expect(end.stderr).toContain("cannot find guest directory");
  });

  test("with --all ask those that are there, and are content where one answers", () =>
    withNamedGuests(async () => {
      const names = [`ta-test-all-${process.pid}-a`, `ta-test-all-${process.pid}-b`];
      const paths = names.map((name) => `/run/virtio-trace/${name}`);
      try {
        mkdirSync(paths[1] ?? "", { recursive: true });
        await startGuest(paths[0] ?? "");
        const end = await traceAgent("status", "--all", "--wait", "5");
        expect(end.code).toBe(0);
        expect(end.stdout).toContain(`${names[0]}  `);
        expect(end.stderr).toContain(`guest "${names[1]}"`);
      } finally {
        for (const path of paths) rmSync(path, { recursive: true, force: true });
      }
    }));

  test("refuse two guests of one name, and a directory for two", async () => {
    expect(await traceAgent("status", "a/vm1", "b/vm1")).toMatchObject({
      code: 64,
      stderr: expect.stringContaining('two machines have the name "vm1"'),
    });
    expect(await traceAgent("stop", "a", "b", "--dir", "x")).toMatchObject({
      code: 64,
      stderr: expect.stringContaining("--dir is of one guest alone"),
    });
    expect(await traceAgent("start")).toMatchObject({ code: 64, stderr: expect.stringContaining("GUEST is missing") });
  });
});

describe("stream of several guests", () => {
  test("has all events of all, with the machine's name as report prints it", async () => {
    const { guests } = await twoGuests();
    const end = await traceAgent("stream", ...guests, "-d", "1");
    expect({ code: end.code, stderr: end.stderr }).toEqual({
      code: 0,
      stderr: expect.stringContaining("following vm1"),
    });
    const lines = end.stdout.trimEnd().split("\n");
    expect(lines.filter((line) => line.startsWith("    vm1: ")).length).toBe(2 * 20 * 5);
    expect(lines.filter((line) => line.startsWith("guest-2: ")).length).toBe(3 * 20 * 5);
    expect(lines.length).toBe(500);
    expect(end.stderr).toContain("guest-2: 300 events, 0 lost");
  });

  test("names the machine in JSON; one that ends early does not end the other, and the exit code tells", async () => {
    const world = newWorld();
    await startGuest(world.guest("vm1"), { transport: "socket", endMs: 100 });
    await startGuest(world.guest("vm2"));
    const stream = new LiveProcess(["stream", world.guest("vm1"), world.guest("vm2"), "--json"]);
    await stream.says("the stream of vm1 ended early: the VM has ended");
    stream.process.kill("SIGINT");
    expect(await stream.ended()).toBe(74);
    const machines = stream.stdout
      .trimEnd()
      .split("\n")
      .map((line) => String((JSON.parse(line) as { machine?: unknown }).machine));
    expect(
      Object.fromEntries(Object.entries(Object.groupBy(machines, String)).map(([name, all]) => [name, all?.length])),
    ).toEqual({ vm1: 200, vm2: 200 });
  });

  test("ends with 69 when none can be followed", async () => {
    const world = newWorld();
    const end = await traceAgent("stream", world.guest("vm1"), world.guest("vm2"));
    expect(end).toMatchObject({ code: 69, stdout: "", stderr: expect.stringContaining("cannot find guest directory") });
  });
});

describe("top of several guests", () => {
  test("writes a line a second of each where there is no terminal", async () => {
    const { guests } = await twoGuests();
    const top = new LiveProcess(["top", ...guests]);
    await eventually(
      () => /^vm1: busy % /m.test(top.stdout) && /^guest-2: busy % /m.test(top.stdout),
      "a line of each",
      () => top.stdout + top.stderr,
    );
    top.process.kill("SIGINT");
    expect({ code: await top.ended(), stderr: top.stderr }).toMatchObject({ code: 0 });
  });

  test("shows a line per guest and CPU on a terminal, and goes into one and back", async () => {
    const { guests } = await twoGuests();
    const command = `exec ${executable} top ${guests.join(" ")}`;
    const terminal = Bun.spawn(["script", "-qefc", command, "/dev/null"], { stdin: "pipe", stdout: "pipe" });
    let shown = "";
    const read = (async () => {
      for await (const bytes of terminal.stdout) shown += Buffer.from(bytes).toString();
    })();
    const shows = async (text: RegExp): Promise<void> =>
      await eventually(
        () => text.test(Bun.stripANSI(shown)),
        `it shows ${text}`,
        () => Bun.stripANSI(shown),
        300_000,
      );
    try {
      await shows(/GUEST +CPU +BUSY/);
      await shows(/guest-2 +2 \.{10}/);
      await shows(/vm1 +1 \.{10}/);
      shown = "";
      void terminal.stdin.write("j\r");
      await shows(/guest-2 {2}\S+ {2}Linux .* 3 CPUs[^]*a all guests/);
      shown = "";
      void terminal.stdin.write("a");
      await shows(/GUEST +CPU +BUSY/);
      void terminal.stdin.write("q");
      expect(await terminal.exited).toBe(0);
    } finally {
      terminal.kill("SIGKILL");
      await read;
    }
  });
});
