/** What it costs to put recordings on one timeline: `sync` of a host's switches and a guest's events, found by causality. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { agentExecutable } from "../support/agent-executable.ts";
import { madeOffset, makeSession, vcpuTasks } from "../support/made-session.ts";
import type { Series } from "../support/series.ts";

/** Of both, in a second. */
const perSecond = 50_000;

export const sync: Series = {
  name: "sync",
  title: "a guest's recording on its host's timeline, by causality",
  guest: false,
  skipReason: () => undefined,
  run: async ({ tiny, pairs }) => {
    const events = tiny ? 50_000 : 10_000_000;
    const folder = mkdtempSync(join(tmpdir(), "trace-agent-bench-"));
    const known = ["--offset", `vm1=${madeOffset + 200_000n}±400000`, "--vcpus", `vm1=${vcpuTasks.join(",")}`];
    const [seconds, megabytes, bounds] = [[] as number[], [] as number[], [] as number[]];
    try {
      const { host, guest } = makeSession(folder, events, perSecond);
      for (let run = 0; run < pairs; run++) {
        const out = join(folder, `out${run}`);
        const begin = performance.now();
        const child = Bun.spawn([agentExecutable, "sync", host, guest, "-o", out, ...known], {
          stdout: "pipe",
          stderr: "inherit",
        });
        const said = await new Response(child.stdout).text();
        if ((await child.exited) !== 0) throw new Error(`sync ended with ${child.exitCode}`);
        seconds.push((performance.now() - begin) / 1000);
        megabytes.push((child.resourceUsage()?.maxRSS ?? NaN) / 2 ** 20);
        bounds.push(Number(/clock ±(\d+) µs/.exec(said)?.[1] ?? NaN));
        rmSync(out, { recursive: true });
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    return {
      figures: [
        { name: "sync", unit: "s", ours: seconds, reach: { value: 10, is: "most" } },
        { name: "memory", unit: "MiB", ours: megabytes, reach: { value: 200, is: "most" } },
        { name: "bound", unit: "us", ours: bounds },
      ],
      notes: [`${events} events of the guest and as many switches of the host; with the copies of both files`],
    };
  },
};
