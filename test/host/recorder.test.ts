/** The recorder against an agent that behaves as the test tells it, over real FIFOs and sockets. */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import type { Transport } from "../../src/host/guest-directory.ts";
import { makeGuestDirectory } from "../../src/host/setup.ts";
import { planSetup } from "../../src/host/setup-plan.ts";
import type { FakeAgentScript } from "./support/fake-agent.ts";
import { fillOf } from "./support/fake-agent.ts";
import { RecorderProcess, traceAgent } from "./support/recorder-process.ts";
import { subBufferBytes } from "./support/sub-buffers.ts";

const base = mkdtempSync(`${tmpdir()}/ta-recorder-`);
const started: Bun.Subprocess[] = [];
let count = 0;
afterEach(async () => {
  for (const process of started.splice(0)) {
    process.kill("SIGKILL");
    await process.exited;
  }
});
afterAll(() => rmSync(base, { recursive: true }));

type Setting = { directory: string; output: string };

async function withAgent(transport: Transport, script: Omit<FakeAgentScript, "transport" | "cpus">, cpus = 2): Promise<Setting> {
  const directory = `${base}/vm${++count}`;
  makeGuestDirectory(directory, planSetup(cpus), transport, undefined);
  const text = JSON.stringify({ ...script, transport, cpus } satisfies FakeAgentScript);
  const agent = Bun.spawn([process.execPath, `${import.meta.dir}/support/fake-agent.ts`, directory, text], { stdout: "pipe", stderr: "inherit" });
  started.push(agent);
  const { value } = await agent.stdout.getReader().read();
  expect(Buffer.from(value ?? []).toString()).toBe("ready\n");
  return { directory, output: `${base}/out${count}.dat` };
}

/** The fills of the sub-buffers per CPU, of a file in which every CPU has `each`. */
function fillsIn(output: string, cpus: number, each: number): number[][] {
  const data = readFileSync(output).subarray(-cpus * each * subBufferBytes);
  return Array.from({ length: cpus }, (_, cpu) => Array.from({ length: each }, (__, index) => data[(cpu * each + index) * subBufferBytes + 20] ?? -1));
}
const expected = (cpus: number, each: number): number[][] =>
  Array.from({ length: cpus }, (_, cpu) => Array.from({ length: each }, (__, index) => fillOf(cpu, index)));

const transports: Transport[] = ["fifo", "socket"];
const leftovers: [string, Partial<FakeAgentScript>][] = [
  ["nothing was left", {}],
  ["an earlier session's sub-buffers lie in the data ports", { stale: 5 }],
  ["they come only after the start", { late: 3 }],
  ["an earlier host's replies lie in the control port", { staleReplies: `{"reply":"start","state":"running","streams":[]}\n\0\xff{"reply":"stop","sta` }],
  ["the guest still runs for an earlier host", { running: true, stale: 2 }],
];

describe.each(transports)("record over a %s", (transport) => {
  test.each(leftovers)("has all of this session and nothing of another when %s", async (_, script) => {
    const { directory, output } = await withAgent(transport, { subBuffers: 40, ...script });
    const { code, stdout, stderr } = await traceAgent("record", directory, "-d", "0.3", "-o", output);
    expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
    expect(fillsIn(output, 2, 40)).toEqual(expected(2, 40));
    expect(stdout).toMatch(/^all +327680 +400 +0$/m);
    expect(existsSync(`${output}.spool`)).toBe(false);
  });

  test("says when the VM ended, and keeps what came before", async () => {
    const { directory, output } = await withAgent(transport, { subBuffers: 10, endMs: 400 });
    const { code, stderr } = await traceAgent("record", directory, "-o", output);
    expect(stderr).toContain("the recording ended early: the VM has ended");
    expect(code).toBe(74);
    expect(fillsIn(output, 2, 10)).toEqual(expected(2, 10));
  });

  test("stops at a size, however fast the guest sends", async () => {
    const { directory, output } = await withAgent(transport, { subBuffers: 0, endless: true });
    const { code, stdout } = await traceAgent("record", directory, "-m", "3M", "-o", output);
    expect(code).toBe(0);
    expect(Number(/^all +(\d+)/m.exec(stdout)?.[1])).toBeGreaterThanOrEqual(3 * 1024 * 1024);
  });
});

describe("record", () => {
  test("sets events last and puts them back first, and the names are those of the stop", async () => {
    const { directory, output } = await withAgent("fifo", { subBuffers: 3 });
    const { code } = await traceAgent("record", directory, "-e", "sched", "-e", "timer:*", "-d", "0.2", "-o", output);
    expect(code).toBe(0);
    // The fake agent names task 1 after its events: those that it had before.
    expect(readFileSync(output).includes("1 irq:*\n")).toBe(true);
  });

  test("says that the guest booted again, and keeps what came before", async () => {
    const { directory, output } = await withAgent("fifo", { subBuffers: 10, rebootMs: 500 });
    const { code, stderr } = await traceAgent("record", directory, "-o", output);
    expect(stderr).toContain("the guest's agent started anew");
    expect(code).toBe(74);
    expect(fillsIn(output, 2, 10)).toEqual(expected(2, 10));
  });

  test("says what did not arrive of what the guest told", async () => {
    const { directory, output } = await withAgent("fifo", { subBuffers: 10, swallowed: 2 });
    const { code, stderr } = await traceAgent("record", directory, "-d", "0.2", "-o", output);
    expect(stderr).toContain("CPU 1: 8192 bytes of the guest did not arrive");
    expect(code).toBe(0);
    expect(fillsIn(output, 2, 10)).toEqual(expected(2, 10));
  }, 60_000);

  test("records the kernel's own agent raw, says what is missing, and completes it with metadata from elsewhere", async () => {
    const { directory, output } = await withAgent("fifo", { subBuffers: 10, silent: true });
    const first = await traceAgent("record", directory, "-d", "0.3", "-o", output);
    expect(first.code).toBe(0);
    expect(first.stderr).toContain("does not answer: recording what comes");
    expect(first.stderr).toContain("no metadata: the file has no event formats, no task names and no symbols");
    expect(first.stdout).toMatch(/^all +81920 +100 +0$/m);
    expect(fillsIn(output, 2, 10)).toEqual(expected(2, 10));

    const metadata = `${base}/metadata.json`;
    writeFileSync(metadata, JSON.stringify({ version: 1, uname: "Linux", cpus: 2, pageSize: 4096, subBufferSize: 4096, files: { "events/header_event": "x", kallsyms: "ffff T here\n" }, missing: {} }));
    const second = await traceAgent("recover", `${output}.spool`, "--metadata", metadata, "-o", output);
    expect(second.code).toBe(0);
    expect(readFileSync(output).includes("ffff T here\n")).toBe(true);
    expect(fillsIn(output, 2, 10)).toEqual(expected(2, 10));
    expect(existsSync(`${output}.spool`)).toBe(false);
  }, 60_000);

  test("says what to look at when no agent is there, and leaves nothing behind", async () => {
    const { directory, output } = await withAgent("fifo", { subBuffers: 0, silent: true });
    const { code, stderr } = await traceAgent("record", directory, "-d", "0.1", "-o", output);
    expect(code).toBe(69);
    expect(stderr).toMatch(/does not answer; in the guest: does trace-agent run/);
    const status = await traceAgent("status", directory);
    expect(status.code).toBe(69);
    expect(status.stderr).toMatch(/does not answer; in the guest: does trace-agent run/);
    expect(readdirSync(base).filter((name) => name.startsWith(`out${count}.`))).toEqual([]);
  }, 60_000);

  test("says that no VM holds the ports", async () => {
    const directory = `${base}/idle`;
    makeGuestDirectory(directory, planSetup(1), "fifo", undefined);
    const { code, stderr } = await traceAgent("record", directory, "-o", `${base}/idle.dat`);
    expect({ code, stderr }).toEqual({
      code: 69,
      stderr: `trace-agent: error: cannot open port "agent-ctl-path" (${directory}/agent-ctl-path): ENXIO, no VM holds it; start the VM with the devices that trace-agent setup prints\n`,
    });
  });

  test.each([
    ["a hello that is none", { hello: '{"reply":"hello","nonce":7}\n' }, "does not answer"],
    ["an error", { metadata: '{"reply":"error","order":"metadata","error":"no\\u001b[2Jtracefs"}\n' }, 'refused order "metadata": no?[2Jtracefs'],
    ["metadata that are none", { metadata: '{"reply":"metadata","bytes":4,"encoding":"gzip"}\n\x1f\x8b\0\0' }, "cannot use the metadata of the guest"],
    ["a stop with absurd totals", { "0": '{"reply":"stop","state":"armed","streams":[{"cpu":0,"bytes":40960,"lostBytes":0},{"cpu":4095,"bytes":9e15}]}\n' }, ""],
  ])("is not led astray by %s", async (_, answers, words) => {
    const { directory, output } = await withAgent("fifo", { subBuffers: 4, answers });
    const { code, stderr } = await traceAgent("record", directory, "-d", "0.2", "-o", output);
    expect([0, 69, 74]).toContain(code);
    expect(stderr).toContain(words);
    expect(stderr).not.toContain("\u001b");
    expect(stderr).not.toContain("internal error");
  }, 60_000);

  test("refuses a target that cannot be written, and an unfinished spool, before anything is asked of the guest", async () => {
    const { directory, output } = await withAgent("fifo", { subBuffers: 1 });
    const missing = await traceAgent("record", directory, "-o", `${base}/no/such/place.dat`);
    expect(missing).toMatchObject({ code: 74 });
    expect(missing.stderr).toContain("ENOENT");
    mkdirSync(`${base}/is-a-directory`);
    expect((await traceAgent("record", directory, "-o", `${base}/is-a-directory`)).stderr).toContain("it is a directory");
    mkdirSync(`${output}.spool`);
    const { code, stderr } = await traceAgent("record", directory, "-o", output);
    expect(code).toBe(74);
    expect(stderr).toContain(`trace-agent recover ${output}.spool -o FILE`);
  });

  test("stops when the disk is full, and what was received can still be had", async () => {
    const small = `${base}/small`;
    mkdirSync(small);
    const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", small]);
    if (mounted.exitCode !== 0) return console.log("skipped: a full disk (no right to mount)");
    try {
      const { directory } = await withAgent("fifo", { subBuffers: 0, endless: true });
      const recorder = new RecorderProcess(["record", directory, "-o", `${small}/t.dat`]);
      const { code, stderr } = await recorder.ended();
      expect(code).toBe(74);
      expect(stderr).toContain("ENOSPC");
      expect(stderr).toContain(`trace-agent recover ${small}/t.dat.spool -o FILE`);
      expect(readdirSync(small)).toEqual(["t.dat.spool"]);
      const recovered = await traceAgent("recover", `${small}/t.dat.spool`, "-o", `${base}/full.dat`);
      expect(recovered.code).toBe(0);
      expect(Number(/^all +(\d+)/m.exec(recovered.stdout)?.[1])).toBeGreaterThan(2 * 1024 * 1024);
    } finally {
      Bun.spawnSync(["umount", small]);
    }
  }, 60_000);
});
