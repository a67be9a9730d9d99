/** Following a real guest: its events as text while they happen, and what its CPUs do. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { qemuArguments } from "../../src/host/qemu-arguments.ts";
import { makeGuestDirectory } from "../../src/host/setup.ts";
import { planSetup } from "../../src/host/setup-plan.ts";
import { LiveProcess } from "../host/support/live-process.ts";
import { traceAgentText } from "../host/support/recorder-process.ts";
import { sequence } from "../support/agent-fixture.ts";
import { executable } from "../support/agent-process.ts";
import { describeWithGuest, guestTestTimeoutMs } from "../support/describe-guest.ts";
import { markerProgram } from "../support/marker-program.ts";

const tracing = "/sys/kernel/tracing";
const cpus = 2;
const directory = mkdtempSync(`${tmpdir()}/trace-agent-stream-`);
afterAll(() => rmSync(directory, { recursive: true }));
const plan = planSetup(cpus);
makeGuestDirectory(directory, plan, "fifo", undefined);
const prepared = { directory, qemuArguments: qemuArguments(plan, directory, "fifo") };
const files = { "/bin/trace-agent": executable, "/bin/markers": markerProgram() };

await describeWithGuest("following a 6.12 guest", { kernel: "6.12", cpus, memoryMb: 640, transport: "fifo", prepared, files }, (guest) => {
  beforeAll(async () => {
    await (await guest().spawn("exec trace-agent")).says("armed: ");
  }, guestTestTimeoutMs);

  test("stream shows every CPU's events while they happen, and leaves the guest as it was", async () => {
    const settings = `cat ${tracing}/set_event ${tracing}/buffer_size_kb ${tracing}/tracing_on`;
    await guest().run(`echo 2048 >${tracing}/buffer_size_kb; echo sched:sched_process_hang >${tracing}/set_event`);
    const before = await guest().text(settings);
    const stream = new LiveProcess(["stream", directory, "-e", "sched:sched_process_exec", "-b", "4096"]);
    await stream.says("following ");
    await guest().run(`until grep -q sched_process_exec ${tracing}/set_event; do usleep 100000; done; sleep 1`);
    await guest().run(`for cpu in 0 1; do markers ${tracing}/trace_marker $cpu 0 500; done`);
    for (const cpu of sequence(0, cpus)) await stream.shows(`MARK ${cpu} 499\n`);
    stream.process.kill("SIGINT");
    expect(await stream.ended()).toBe(0);
    for (const cpu of sequence(0, cpus)) {
      const lines = stream.stdout.split("\n").filter((line) => line.includes(`: MARK ${cpu} `));
      expect(lines.map((line) => Number(/MARK \d+ (\d+)/.exec(line)?.[1]))).toEqual(sequence(0, 500));
      expect(lines.filter((line) => !line.includes(` [00${cpu}] `))).toEqual([]);
    }
    expect(stream.stdout).toMatch(/ sched_process_exec: +filename=\S*markers /);
    expect(stream.stderr).toMatch(/\d+ events, 0 lost\n/);
    expect(await guest().text(settings)).toBe(before);
    expect(await traceAgentText("status", directory)).toMatch(/: armed\n/);
  }, guestTestTimeoutMs);

  test("top tells how busy each vCPU is", async () => {
    const busy = guest().run("timeout 12 taskset 2 sh -c 'while :; do :; done'", { mayFail: true });
    const lines = (await traceAgentText("top", directory, "-d", "8")).trimEnd().split("\n");
    await busy;
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) expect(line).toMatch(/^busy %( (-|\d+\.\d)){2} {2}events\/s \d+ {2}lost \d+/);
    expect(lines.some((line) => /busiest sh-\d+ \d/.test(line))).toBe(true);
  }, guestTestTimeoutMs);
});
