/** A small guest that counts all memory that is reserved (vm.overcommit_memory=2), and one that has too little of it. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { executable } from "../support/agent-process.ts";
import { describeWithGuest, guestTestTimeoutMs } from "../support/describe-guest.ts";
import type { Guest } from "../support/guest-handle.ts";
import { restsAfterWork } from "../support/guest-measures.ts";
import { traceAgentText } from "../support/recorder-process.ts";

const MiB = 1024;
const base = mkdtempSync(`${tmpdir()}/trace-agent-overcommit-`);
afterAll(() => rmSync(base, { recursive: true }));

/** In KiB, as /proc/meminfo tells. */
async function meminfo(guest: Guest, name: string): Promise<number> {
  return Number(/:\s*(\d+) kB/.exec(await guest.text(`grep ^${name}: /proc/meminfo`))?.[1]);
}

await describeWithGuest(
  "a guest of 512 MB with 2 CPUs that commits half of its memory and no more",
  { kernel: "6.12", cpus: 2, memoryMb: 512, files: { "/bin/trace-agent": executable } },
  (guest) => {
    test(
      "is recorded: the armed agent takes less than 128 MiB of it",
      async () => {
        await guest().run("echo 2 >/proc/sys/vm/overcommit_memory; echo 50 >/proc/sys/vm/overcommit_ratio");
        const before = await meminfo(guest(), "Committed_AS");
        const agent = await guest().spawn("exec trace-agent");
        await agent.says("armed: CPUs 0-1 ");
        // Its splice loop is compiled then: that takes memory.
        await restsAfterWork(guest(), agent.pid);
        const armed = (await meminfo(guest(), "Committed_AS")) - before;
        // Twice, since metadata are asked for each time.
        for (const output of [`${base}/first.dat`, `${base}/second.dat`]) {
          const said = await traceAgentText("record", guest().directory, "-e", "sched", "-d", "2", "-o", output);
          expect(said).toMatch(/^all +\d+ +[1-9]\d* /m);
        }
        const recorded = (await meminfo(guest(), "Committed_AS")) - before;
        const limit = await meminfo(guest(), "CommitLimit");
        console.error(
          `commit of the agent in KiB: ${armed} armed, ${recorded} after two recordings; the limit is ${limit}`,
        );
        // Measured: 110 to 117. Threads of the runtime that end give nothing back, and how many live at once is chance.
        expect(armed).toBeLessThan(128 * MiB);
        expect(recorded).toBeLessThan(165 * MiB);
        await agent.kill();
        expect(await agent.exitCode()).toBe(0);
      },
      2 * guestTestTimeoutMs,
    );

    test(
      "says how much is needed where the limit is lower, and ends with code 69",
      async () => {
        await guest().run("echo 2 >/proc/sys/vm/overcommit_memory; echo 30 >/proc/sys/vm/overcommit_ratio");
        const { code, stderr } = await guest().run("trace-agent", { mayFail: true });
        expect(stderr).toMatch(
          /^trace-agent: cannot start: \d+ MiB of memory are needed, and this system counts what is reserved \(vm\.overcommit_memory=2\): \d+ MiB of 1\d\d MiB are taken; end other programs, or raise vm\.overcommit_ratio\n$/,
        );
        expect(code).toBe(69);
      },
      guestTestTimeoutMs,
    );
  },
);
