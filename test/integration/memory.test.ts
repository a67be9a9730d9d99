/** What the agent takes of a system that counts what is reserved (vm.overcommit_memory=2). */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { AgentFixture } from "../support/agent-fixture.ts";
import { type AgentProcess, eventually, type PortDirectory } from "../support/agent-process.ts";

const fixture = new AgentFixture("memory");

/** Private and writable: that is what counts (Documentation/mm/overcommit-accounting.rst). In MiB. */
function committed(agent: AgentProcess): number {
  const sizes = readFileSync(`/proc/${agent.pid}/maps`, "latin1")
    .split("\n")
    .map((line) => /^([\da-f]+)-([\da-f]+) .w.p/.exec(line))
    .map((match) => Number.parseInt(match?.[2] ?? "0", 16) - Number.parseInt(match?.[1] ?? "0", 16));
  return sizes.reduce((sum, size) => sum + size, 0) / 2 ** 20;
}

/** Waits until it has used no CPU for a second: its splice loop is compiled then, which takes memory. */
async function rests(agent: AgentProcess): Promise<void> {
  const ticks = (): number => {
    const [user = 0, system = 0] = readFileSync(`/proc/${agent.pid}/stat`, "latin1")
      .split(" ")
      .slice(13, 15)
      .map(Number);
    return user + system;
  };
  let before = -1;
  while (before !== ticks()) {
    before = ticks();
    await Bun.sleep(1000);
  }
}

/** Asks for metadata and takes its whole body: a reply that comes behind it begins a line. */
async function takeMetadata(ports: PortDirectory, agent: AgentProcess): Promise<void> {
  ports.replies.take();
  ports.order("metadata\n");
  let bytes = Buffer.alloc(0);
  await eventually(
    () => {
      bytes = Buffer.concat([bytes, ports.replies.take()]);
      const found = /\{"reply":"metadata","bytes":(\d+)[^\n]*\n/.exec(bytes.toString("latin1"));
      return found !== null && bytes.length === found.index + found[0].length + Number(found[1]);
    },
    "the body of the metadata",
    () => agent.log,
  );
}

test.skipIf(fixture.skipReason !== undefined)(
  "an armed agent commits at most 100 MiB and 10 for each CPU, also after runs, and 50 more when all metadata were asked for at once",
  async () => {
    const { agent, ports } = await fixture.startOnPorts();
    const most = 100 + 10 * fixture.cpus.length;
    await rests(agent);
    const seen = [committed(agent)];
    expect(committed(agent)).toBeLessThan(most);
    await ports.ask("hello x", "hello", () => agent.log);
    for (let round = 0; round < 3; round++) {
      await ports.ask("1", "start", () => agent.log);
      await ports.ask("0", "stop", () => agent.log);
      await rests(agent);
      seen.push(committed(agent));
      expect(committed(agent)).toBeLessThan(most);
    }
    for (let round = 0; round < 3; round++) {
      await ports.ask("1", "start", () => agent.log);
      await takeMetadata(ports, agent);
      await ports.ask("0", "stop", () => agent.log);
      seen.push(committed(agent));
      expect(committed(agent)).toBeLessThan(most + 50);
    }
    console.error(`committed in MiB: ${seen.map((mebibytes) => mebibytes.toFixed(1)).join(" ")}`);
  },
);
