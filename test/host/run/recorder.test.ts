/** The recorder against an agent that behaves as the test tells it, over real FIFOs and sockets. */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import type { HostTransport } from "../../../src/transport/transports.ts";
import { makeGuestDirectory } from "../../../src/host/setup/setup.ts";
import { planSetup } from "../../../src/host/setup/setup-plan.ts";
import type { FakeAgentScript } from "../../support/fake-agent.ts";
import { expectedFills, FakeGuests, fillsIn } from "../../support/fake-guest.ts";
import { inTurn } from "../../support/quick.ts";
import { RecorderProcess, traceAgent } from "../../support/recorder-process.ts";
import { whyNoSmallDisk, withSmallDisk } from "../../support/small-disk.ts";
import { testUnless } from "../../support/test-unless.ts";

const base = mkdtempSync(`${tmpdir()}/ta-recorder-`);
const guests = new FakeGuests(base);
afterEach(() => guests.end());
afterAll(() => rmSync(base, { recursive: true }));

const transports: HostTransport[] = ["fifo", "socket"];
const leftovers: [string, Partial<FakeAgentScript>][] = [
  ["nothing was left", {}],
  ["an earlier session's sub-buffers lie in the data ports", { stale: 5 }],
  ["they come only after the start", { late: 3, time: true }],
  [
    "an earlier host's replies are left in the control port",
    { staleReplies: `{"reply":"start","state":"running","streams":[]}\n\0\xff{"reply":"stop","sta` },
  ],
  ["the guest still runs for an earlier host", { running: true, stale: 2 }],
];

describe.each(transports)("record over a %s", (transport) => {
  test.each(inTurn(leftovers, transports.indexOf(transport)))(
    "has all of this session and nothing of another when %s",
    async (_, script) => {
      const { directory, output } = await guests.start(transport, { subBuffers: 40, ...script });
      const { code, stdout, stderr } = await traceAgent("record", directory, "-d", "0.3", "-o", output);
      expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
      expect(fillsIn(output, 2, 40)).toEqual(expectedFills(2, 40));
      expect(stdout).toMatch(/^all +327680 +400 +0$/m);
      expect(existsSync(`${output}.spool`)).toBe(false);
    },
  );

  test("says when the VM ended, and keeps what came before", async () => {
    const { directory, output } = await guests.start(transport, { subBuffers: 10, endMs: 400 });
    const { code, stderr } = await traceAgent("record", directory, "-o", output);
    expect(stderr).toContain("the recording ended early: the VM has ended");
    expect(code).toBe(74);
    expect(fillsIn(output, 2, 10)).toEqual(expectedFills(2, 10));
  });

  test("stops at a size, however fast the guest sends", async () => {
    const { directory, output } = await guests.start(transport, { subBuffers: 0, endless: true });
    const { code, stdout } = await traceAgent("record", directory, "-m", "3M", "-o", output);
    expect(code).toBe(0);
    expect(Number(/^all +(\d+)/m.exec(stdout)?.[1])).toBeGreaterThanOrEqual(3 * 1024 * 1024);
    // What it has under way is more than that, which is left out, and no loss.
    const small = await traceAgent("record", directory, "-m", "64K", "-o", output);
    expect({ code: small.code, stderr: small.code === 0 ? "" : small.stderr }).toEqual({ code: 0, stderr: "" });
  });
});

describe("record", () => {
  test("sets events last and puts them back first, and the names are those of the stop", async () => {
    const { directory, output } = await guests.start("fifo", { subBuffers: 3 });
    const { code } = await traceAgent("record", directory, "-e", "sched", "-e", "timer:*", "-d", "0.2", "-o", output);
    expect(code).toBe(0);
    // The fake agent names task 1 after its events: those that it had before.
    expect(readFileSync(output).includes("1 irq:*\n")).toBe(true);
  });

  test("orders what the guest's hello lists, and nothing beyond protocol 1 of one that lists nothing", async () => {
    const all: string[][] = [];
    for (const words of [undefined, ["host"], ["host", "lease", "a-later-one"]]) {
      const ordersTo = `${base}/orders${guests.count}`;
      const script = { subBuffers: 1, ordersTo, ...(words === undefined ? {} : { words }) };
      const { directory, output } = await guests.start("fifo", script);
      const { code, stderr } = await traceAgent("record", directory, "-e", "sched", "-d", "0.2", "-o", output);
      expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
      all.push(readFileSync(ordersTo, "utf8").split("\n"));
    }
    const [old = [], host = [], lease = []] = all;
    expect(old.filter((order) => /^host|^set lease/.test(order))).toEqual([]);
    expect(host.filter((order) => /^host|^set lease/.test(order))).toEqual(["host 3"]);
    expect(lease.filter((order) => /^host|^set lease/.test(order))).toEqual(["host 3", "set lease 60"]);
    expect(lease.findIndex((order) => order.startsWith("set "))).toBe(lease.indexOf("set lease 60"));
  }, 300_000);

  test("records an agent of a newer protocol by what both know", async () => {
    const hello = {
      protocol: 7,
      colour: "blue",
      cpus: [0, 1].map((cpu) => ({ cpu, port: "open", state: "armed", bytes: 0, node: 3 })),
    };
    const { directory, output } = await guests.start("fifo", {
      subBuffers: 10,
      words: ["host", "teleport", "lease"],
      hello,
    });
    const { code, stderr, stdout } = await traceAgent("record", directory, "-d", "0.2", "-o", output);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr:
        "trace-agent: the guest's agent does not tell when the recording began: what its ring buffer held before is in it\n",
    });
    expect(fillsIn(output, 2, 10)).toEqual(expectedFills(2, 10));
    expect(stdout).toMatch(/^all +81920 +100 +0$/m);
    expect((await traceAgent("status", directory)).code).toBe(0);
  });

  test("says that the agent ended the session, and keeps what came before", async () => {
    const start = '{"reply":"start","state":"running","streams":[{"cpu":0,"bytes":0},{"cpu":1,"bytes":0}]}\n';
    const end = '{"reply":"error","order":"lease","error":"nothing came of the host for 60 s"}\n';
    const { directory, output } = await guests.start("fifo", { subBuffers: 10, answers: { "1": start + end } });
    const { code, stderr } = await traceAgent("record", directory, "-o", output);
    expect(stderr).toContain(
      "ended early: the agent of the guest ended the session: nothing came of the host for 60 s",
    );
    expect(code).toBe(74);
    expect(fillsIn(output, 2, 10)).toEqual(expectedFills(2, 10));
  });

  test("says that the guest booted again, and keeps what came before", async () => {
    const { directory, output } = await guests.start("fifo", { subBuffers: 10, rebootMs: 500 });
    const { code, stderr } = await traceAgent("record", directory, "-o", output);
    expect(stderr).toContain("the guest's agent restarted");
    expect(code).toBe(74);
    expect(fillsIn(output, 2, 10)).toEqual(expectedFills(2, 10));
  });

  test("says what did not arrive of what the guest told", async () => {
    const { directory, output } = await guests.start("fifo", { subBuffers: 10, swallowed: 2 });
    const { code, stderr } = await traceAgent("record", directory, "-d", "0.2", "-o", output);
    expect(stderr).toContain("the recording is incomplete: CPU 0: 8192 bytes were lost on their way");
    expect(code).toBe(74);
    expect(fillsIn(output, 2, 10)).toEqual(expectedFills(2, 10));
  }, 300_000);

  test("records the kernel's own agent raw, says what is missing, and completes it with metadata from elsewhere", async () => {
    const { directory, output } = await guests.start("fifo", { subBuffers: 10, silent: true });
    const first = await traceAgent("record", directory, "--wait", "2", "-d", "0.3", "-o", output);
    expect(first.code).toBe(0);
    expect(first.stderr).toContain("does not answer: recording what comes");
    expect(first.stderr).toContain("no metadata: no event formats, no task names and no symbols are known");
    expect(first.stdout).toMatch(/^all +81920 +100 +0$/m);
    expect(fillsIn(output, 2, 10)).toEqual(expectedFills(2, 10));

    const metadata = `${base}/metadata.json`;
    writeFileSync(
      metadata,
      JSON.stringify({
        version: 1,
        uname: "Linux",
        cpus: 2,
        pageSize: 4096,
        subBufferSize: 4096,
        files: { "events/header_event": "x", kallsyms: "ffff T here\n" },
        missing: {},
      }),
    );
    const recover = ["recover", `${output}.spool`, "--metadata", metadata, "-o", output];
    const second = await traceAgent(...recover);
    expect(second.code).toBe(0);
    expect(second.stderr).toContain(`${output}.spool stays as it is`);
    expect(existsSync(`${output}.spool/cpu1`)).toBe(true);
    expect(await traceAgent(...recover, "--remove")).toMatchObject({ code: 0, stdout: second.stdout });
    expect(readFileSync(output).includes("ffff T here\n")).toBe(true);
    expect(fillsIn(output, 2, 10)).toEqual(expectedFills(2, 10));
    expect(existsSync(`${output}.spool`)).toBe(false);
  }, 300_000);

  test("says what to check when no agent answers, and leaves nothing behind", async () => {
    const { directory, output } = await guests.start("fifo", { subBuffers: 0, silent: true });
    const { code, stderr } = await traceAgent("record", directory, "--wait", "1.5", "-d", "0.1", "-o", output);
    expect(code).toBe(69);
    expect(stderr).toMatch(/does not answer; in the guest: does trace-agent run/);
    const status = await traceAgent("status", directory, "--wait", "1.5");
    expect(status.code).toBe(69);
    expect(status.stderr).toMatch(/does not answer; in the guest: does trace-agent run/);
    expect(readdirSync(base).filter((name) => name.startsWith(`out${guests.count}.`))).toEqual([]);
  }, 300_000);

  test("says that no VM holds the ports", async () => {
    const directory = `${base}/idle`;
    makeGuestDirectory(directory, planSetup(1), "fifo", undefined);
    const { code, stderr } = await traceAgent("record", directory, "-o", `${base}/idle.dat`);
    expect({ code, stderr }).toEqual({
      code: 69,
      stderr: `trace-agent: error: cannot open port "agent-ctl-path" (${directory}/agent-ctl-path): ENXIO, no VM holds it; start the VM with the devices that trace-agent setup prints\n`,
    });
  });

  test.each<[string, Record<string, string>, { code: number; words: string; recorded: number[] }]>([
    [
      "a hello that is none",
      { hello: '{"reply":"hello","nonce":7}\n' },
      { code: 0, words: "does not answer", recorded: [4, 4] },
    ],
    [
      "an error",
      { metadata: '{"reply":"error","order":"metadata","error":"no\\u001b[2Jtracefs"}\n' },
      { code: 69, words: 'refused order "metadata": no?[2Jtracefs', recorded: [] },
    ],
    [
      "metadata that are none",
      { metadata: '{"reply":"metadata","bytes":4,"encoding":"gzip"}\n\x1f\x8b\0\0' },
      { code: 74, words: "the recording is damaged: cannot use the metadata of the guest", recorded: [4, 4] },
    ],
    [
      "a stop with an absurd total",
      { "0": '{"reply":"stop","state":"armed","streams":[{"cpu":0,"bytes":9e15,"lostBytes":0}]}\n' },
      { code: 74, words: "CPU 0: at its stop the guest announces or sends more than", recorded: [4, 4] },
    ],
    [
      "a stop that tells of a CPU that is none",
      {
        "0": '{"reply":"stop","state":"armed","streams":[{"cpu":0,"bytes":57344,"lostBytes":0},{"cpu":4095,"bytes":9e15}]}\n',
      },
      { code: 0, words: "", recorded: [4, 4] },
    ],
  ])(
    "is not led astray by %s",
    async (_, answers, { code, words, recorded }) => {
      const { directory, output } = await guests.start("fifo", { subBuffers: 4, answers });
      const end = await traceAgent("record", directory, "--wait", "2", "-d", "0.2", "-o", output);
      expect({ code: end.code, stderr: end.code === code ? "" : end.stderr }).toEqual({ code, stderr: "" });
      expect(end.stderr).toContain(words);
      expect(end.stderr).not.toContain("\u001b");
      expect(end.stderr).not.toContain("internal error");
      if (recorded.length === 0) expect(existsSync(output)).toBe(false);
      else expect(fillsIn(output, 2, 4)).toEqual(expectedFills(2, 4));
    },
    300_000,
  );

  test("refuses a target that cannot be written, and an unfinished spool, before anything is asked of the guest", async () => {
    const { directory, output } = await guests.start("fifo", { subBuffers: 1 });
    const missing = await traceAgent("record", directory, "-o", `${base}/no/such/place.dat`);
    expect(missing).toMatchObject({ code: 74 });
    expect(missing.stderr).toContain("ENOENT");
    mkdirSync(`${base}/is-a-directory`);
    expect((await traceAgent("record", directory, "-o", `${base}/is-a-directory`)).stderr).toContain(
      "it is a directory",
    );
    mkdirSync(`${output}.spool`);
    const { code, stderr } = await traceAgent("record", directory, "-o", output);
    expect(code).toBe(74);
    expect(stderr).toContain(`trace-agent recover ${output}.spool -o FILE`);
  });

  testUnless(
    whyNoSmallDisk(),
    "stops when the disk is full, and what was received can still be had",
    () =>
      withSmallDisk("3m", async (small) => {
        const { directory } = await guests.start("fifo", { subBuffers: 0, endless: true });
        const recorder = new RecorderProcess(["record", directory, "-o", `${small}/t.dat`]);
        const { code, stderr } = await recorder.ended();
        expect(code).toBe(74);
        expect(stderr).toContain("ENOSPC");
        expect(stderr).toContain(`trace-agent recover ${small}/t.dat.spool -o FILE`);
        expect(readdirSync(small)).toEqual(["t.dat.spool"]);
        const recovered = await traceAgent("recover", `${small}/t.dat.spool`, "-o", `${base}/full.dat`);
        // There was no room for a word about the end either.
        expect(recovered.stderr).toContain("its recorder was killed, or its disk was full");
        expect(recovered.code).toBe(74);
        expect(Number(/^all +(\d+)/m.exec(recovered.stdout)?.[1])).toBeGreaterThan(2 * 1024 * 1024);
      }),
    300_000,
  );
});
