import { expect, test } from "bun:test";
import { AgentFixture, sequence } from "../support/agent-fixture.ts";
import { type AgentProcess, executable } from "../support/agent-process.ts";
import { Cpuset, whyNoCpuset } from "../support/cpuset.ts";
import { findMarkers, writeMarkers } from "../support/markers.ts";
import { threadStatuses } from "../support/threads.ts";

const fixture = new AgentFixture("cpuset");
const { cpus } = fixture;
const reason = fixture.skipReason ?? whyNoCpuset() ?? (cpus.length < 2 ? "one CPU only" : undefined);
if (reason !== undefined) console.error(`skipped: the agent in a cpuset: ${reason}`);

/** CPU lists of the process's threads. */
const allowed = (agent: AgentProcess): string[] =>
  threadStatuses(agent.pid).map(({ field }) => field("Cpus_allowed_list"));

test.skipIf(reason !== undefined)("a CPU outside the cpuset is served unpinned, and this is said once", async () => {
  const [inside = 0, outside = 1] = cpus;
  const cpuset = new Cpuset("trace-agent-test", `${inside}`);
  try {
    const ports = fixture.makePorts();
    const agent = fixture.launch(["--ports", ports.path], { through: [...cpuset.through, executable] });
    await agent.says("armed: ");
    await ports.ask("hello x", "hello", () => agent.log);
    for (let run = 0; run < 2; run++) {
      await ports.ask("1", "start", () => agent.log);
      expect(new Set(allowed(agent))).toEqual(new Set([`${inside}`]));
      writeMarkers(fixture.tracefs.path, cpus, run * 500, 500);
      const stop = await ports.ask("0", "stop", () => agent.log);
      expect(stop["notServed"]).toEqual([]);
    }
    for (const cpu of cpus) expect(findMarkers(ports.reader(cpu).takeAll(), cpu)).toEqual(sequence(0, 1000));
    const told = agent.log.split("\n").filter((line) => line.includes("not pinned"));
    expect(told).toEqual([
      `trace-agent: warning: CPU ${outside} is served by a worker that is not pinned to it: it is outside the cpuset of this process`,
    ]);
    expect(agent.log).not.toContain("offline");
  } finally {
    await fixture.release();
    cpuset.remove();
  }
});

test.skipIf(reason !== undefined)("an affinity mask (taskset) is no cpuset: each worker is pinned", async () => {
  const ports = fixture.makePorts();
  const agent = fixture.launch(["--ports", ports.path], { through: ["taskset", "-c", `${cpus[0]}`, executable] });
  await agent.says("armed: ");
  await ports.ask("hello x", "hello", () => agent.log);
  await ports.ask("1", "start", () => agent.log);
  for (const cpu of cpus) expect(allowed(agent)).toContain(`${cpu}`);
  expect(agent.log).not.toContain("not pinned");
});
