/** The accounting: whatever the workload, the readers, the stalls and the orders, written = received + lost, for every CPU. */
import { describe, expect, test } from "bun:test";
import { readCpuStats } from "../../src/tracefs/cpu-stats.ts";
import { countEvents } from "../../src/ring-buffer/event-count.ts";
import { AgentFixture } from "../support/agent-fixture.ts";
import { findMarkers, writeMarkers } from "../support/markers.ts";
import { inQuickForm } from "../support/quick.ts";
import { Random } from "../support/random.ts";
import { testSeed } from "../support/seed.ts";
import { inLongForm } from "../support/long.ts";

const fixture = new AgentFixture("accounting");
const { cpus, layout } = fixture;
const rounds = inQuickForm(3, inLongForm(6, 200));

describe.skipIf(fixture.skipReason !== undefined)("accounting", () => {
  for (let round = 0; round < rounds; round++) {
    const seed = testSeed + round;
    test(`written = received + lost with a random host (TRACE_AGENT_SEED=${seed})`, async () => {
      const random = new Random(seed);
      const { agent, ports } = await fixture.startOnPorts({
        args: ["--pipe-size", random.pick(["64K", "256K", "1M"])],
      });
      await ports.ask("hello accounting", "hello", () => agent.log);
      fixture.tracefs.reset(random.pick([64, 256, 1408]));
      const written = cpus.map(() => 0);
      const story: string[] = [];
      for (let step = 0; step < 12; step++) {
        const cpu = random.below(cpus.length);
        const act = random.below(6);
        if (act === 0) ports.order("1\n");
        else if (act === 1) ports.order("0\n");
        else if (act === 2) ports.reader(cpus[cpu] ?? 0).pause();
        else if (act === 3) ports.reader(cpus[cpu] ?? 0).resume();
        else {
          const count = random.below(8000);
          writeMarkers(fixture.tracefs.path, [cpus[cpu] ?? 0], written[cpu] ?? 0, count);
          written[cpu] = (written[cpu] ?? 0) + count;
        }
        story.push(`${["start", "stop", "pause", "resume", "write", "write"][act]} ${cpu}`);
        await Bun.sleep(random.below(40));
      }
      fixture.tracefs.write("tracing_on", "0");
      for (const cpu of cpus) ports.reader(cpu).resume();
      await ports.ask("1", "start", () => agent.log);
      await ports.ask("0", "stop", () => agent.log);
      cpus.forEach((cpu, index) => {
        const stream = ports.reader(cpu).takeAll();
        const stats = readCpuStats(fixture.tracefs.path, cpu);
        const lost = (stats?.overrun ?? 0) + (stats?.commitOverrun ?? 0) + (stats?.droppedEvents ?? 0);
        const numbers = findMarkers(stream, cpu);
        const context = `seed ${seed}, CPU ${cpu}: ${story.join(", ")}`;
        expect([context, numbers.length + lost]).toEqual([context, written[index] ?? 0]);
        expect([context, countEvents(stream, layout).events]).toEqual([context, numbers.length]);
        expect([context, numbers.every((number, at) => at === 0 || number > (numbers[at - 1] ?? 0))]).toEqual([
          context,
          true,
        ]);
      });
    });
  }
});
