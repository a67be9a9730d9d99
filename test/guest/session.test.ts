/** What a host set in a real guest is restored when that host, or the guest's agent, was killed. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { executable } from "../support/agent-process.ts";
import { describeWithGuest, guestTestTimeoutMs } from "../support/describe-guest.ts";
import { prepareGuest } from "../support/prepared-guest.ts";
import { RecorderProcess, traceAgentText } from "../support/recorder-process.ts";

const tracing = "/sys/kernel/tracing";
const settings = `cat ${tracing}/set_event ${tracing}/trace_clock ${tracing}/buffer_size_kb ${tracing}/tracing_on`;
const base = mkdtempSync(`${tmpdir()}/trace-agent-session-`);
afterAll(() => rmSync(base, { recursive: true }));

const cpus = 2;
const directory = `${base}/vm`;
const prepared = prepareGuest(directory, cpus, "socket");
const files = { "/bin/trace-agent": executable };

await describeWithGuest(
  "settings in a guest, over sockets",
  { kernel: "6.12", cpus, memoryMb: 640, transport: "socket", prepared, files },
  (guest) => {
    test(
      "are as before after a recorder that was killed, and after an agent that was killed",
      async () => {
        const before = async (): Promise<void> => {
          const put = `until grep -qx sched:sched_process_hang ${tracing}/set_event; do usleep 200000; done`;
          const clock = `until grep -q '.local.' ${tracing}/trace_clock; do usleep 200000; done`;
          const notes = "until ! ls /run/trace-agent | grep -q .; do usleep 200000; done";
          await guest().run(`${put}; ${clock}; ${notes}`);
          expect(await guest().text(settings)).toBe(found);
        };
        const agent = await guest().spawn("exec trace-agent");
        await agent.says("armed: ");
        await guest().run(`echo 2048 >${tracing}/buffer_size_kb; echo sched:sched_process_hang >${tracing}/set_event`);
        const found = await guest().text(settings);

        const output = `${base}/killed.dat`;
        const command = ["record", directory, "-e", "sched", "-C", "mono", "-b", "1024", "-o", output];
        const killed = new RecorderProcess(command);
        await killed.recording(output);
        expect(await guest().text(settings)).not.toBe(found);
        await killed.killHard();
        rmSync(`${output}.spool`, { recursive: true });
        await traceAgentText("status", directory);
        await before();

        const recorder = new RecorderProcess(command);
        await recorder.recording(output);
        expect(await guest().text("find /run/trace-agent -type f -perm 0600")).toMatch(/\/\d+-\d+$/);
        await guest().run("kill -KILL $(pidof trace-agent)");
        await recorder.killHard();
        expect(await guest().text(settings)).not.toBe(found);
        const successor = await guest().spawn("exec trace-agent");
        await successor.says("armed: ");
        await before();
      },
      guestTestTimeoutMs,
    );
  },
);
