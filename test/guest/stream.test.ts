/** Following a real guest: its events as text while they happen, and what its CPUs do. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { prepareGuest } from "../support/prepared-guest.ts";
import { LiveProcess } from "../support/live-process.ts";
import { traceAgentText } from "../support/recorder-process.ts";
import { sequence } from "../support/agent-fixture.ts";
import { executable } from "../support/agent-process.ts";
import { describeWithGuest, guestTestTimeoutMs } from "../support/describe-guest.ts";
import type { GuestProcess } from "../support/guest-handle.ts";
import { markerProgram } from "../support/marker-program.ts";
import { settingsRestored } from "../support/tracing-state.ts";

const tracing = "/sys/kernel/tracing";
const cpus = 2;
const directory = mkdtempSync(`${tmpdir()}/trace-agent-stream-`);
afterAll(() => rmSync(directory, { recursive: true }));
const prepared = prepareGuest(directory, cpus, "fifo");
const files = { "/bin/trace-agent": executable, "/bin/markers": markerProgram() };

await describeWithGuest(
  "following a 6.12 guest",
  { kernel: "6.12", cpus, memoryMb: 640, transport: "fifo", prepared, files },
  (guest) => {
    let agent: GuestProcess;
    beforeAll(async () => {
      agent = await guest().spawn("exec trace-agent");
      await agent.says("armed: ");
    }, guestTestTimeoutMs);

    test(
      "stream shows every CPU's events while they happen, and leaves the guest as it was",
      async () => {
        const settings = `cat ${tracing}/set_event ${tracing}/buffer_size_kb ${tracing}/tracing_on`;
        await guest().run(`echo 2048 >${tracing}/buffer_size_kb; echo sched:sched_process_hang >${tracing}/set_event`);
        const before = await guest().text(settings);
        const stream = new LiveProcess(["stream", directory, "-e", "sched:sched_process_exec", "-b", "4096"]);
        await stream.says("following ");
        await agent.says("started");
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
        await settingsRestored(guest());
        expect(await guest().text(settings)).toBe(before);
        expect(await traceAgentText("status", directory)).toMatch(/: armed\n/);
      },
      guestTestTimeoutMs,
    );

    test(
      "top tells how busy each vCPU is",
      async () => {
        const top = new LiveProcess(["top", directory]);
        // Not before: a guest that is busy takes its time to say what events it has.
        await top.shows("busy %");
        const busy = await guest().spawn("exec taskset 2 sh -c 'while :; do :; done'");
        await top.shows(`busiest sh-${busy.pid} `);
        top.process.kill("SIGINT");
        expect(await top.ended()).toBe(0);
        await busy.kill("KILL");
        const lines = top.stdout.trimEnd().split("\n");
        for (const line of lines) expect(line).toMatch(/^busy %( (-|\d+\.\d)){2} {2}events\/s \d+ {2}lost \d+/);
        expect(lines.some((line) => new RegExp(`busiest sh-${busy.pid} \\d`).test(line))).toBe(true);
      },
      guestTestTimeoutMs,
    );
  },
);
