/** Hosts and agents of protocol 1 and of today understand each other, in both directions. */
import { describe, expect, test } from "bun:test";
import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { AgentFixture } from "../support/agent-fixture.ts";
import { eventually, executable } from "../support/agent-process.ts";
import { startInstanceGuest } from "../support/instance-guest.ts";
import { oldExecutable, protocol1Commit } from "../support/old-executable.ts";
import { isQuick } from "../support/quick.ts";
import { type CommandEnd, RecorderProcess } from "../support/recorder-process.ts";

const fixture = new AgentFixture("protocol1");
const old =
  fixture.skipReason === undefined ? await oldExecutable(protocol1Commit) : { skipReason: fixture.skipReason };
if ("skipReason" in old) console.log(`skipped: protocol 1: ${old.skipReason}`);
const oldPath = "path" in old ? old.path : "";

const set = ["-e", "sched:sched_switch", "-b", "8192", "-C", "mono"];

function setUp(): void {
  fixture.tracefs.write("set_event", "irq:irq_handler_entry");
}

describe.skipIf("skipReason" in old).each([
  ["today's", "protocol 1's", executable, oldPath],
  ["protocol 1's", "today's", oldPath, executable],
])("%s agent under %s host", (_, __, agentPath, hostPath) => {
  const host = async (...args: string[]): Promise<CommandEnd> => new RecorderProcess(args, hostPath).ended();

  test("is recorded, streamed, asked, started and stopped", async () => {
    setUp();
    const { directory, agent } = await startInstanceGuest(fixture, {
      through: isQuick ? fixture.withFewSymbols(agentPath) : [agentPath],
    });
    const output = join(fixture.scratch, "mixed.dat");
    const recorded = await host("record", directory, ...set, "-d", "0.3", "-o", output);
    expect({ code: recorded.code, stderr: recorded.code === 0 ? "" : recorded.stderr }).toEqual({
      code: 0,
      stderr: "",
    });
    expect(recorded.stdout).toMatch(/^all +\d+ +\d+ +0$/m);
    const report = await host("report", output);
    expect(report.stdout).toContain("sched_switch");
    expect(fixture.tracefs.read("set_event")).toBe("irq:irq_handler_entry");
    expect(fixture.tracefs.read("trace_clock")).toContain("[local]");

    const streamed = await host("stream", directory, "-e", "sched:sched_switch", "-d", "0.3");
    expect({ code: streamed.code, stderr: streamed.code === 0 ? "" : streamed.stderr }).toEqual({
      code: 0,
      stderr: "",
    });
    expect(streamed.stdout).toContain("sched_switch");

    for (const [command, state] of [
      ["start", "running"],
      ["status", "running"],
      ["stop", "armed"],
    ] as const) {
      const { code, stdout } = await host(command, directory);
      expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining(`: ${state}\n`) });
    }
    const { code, stdout } = await host("check", directory);
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.not.stringContaining("failure") });
    // Nothing was ordered that the other does not know.
    expect(agent.log).not.toContain("ignored order");
    expect(fixture.tracefs.read("set_event")).toBe("irq:irq_handler_entry");
  }, 300_000);

  test("is not robbed of its events by a mistyped one, where one of the two knows better", async () => {
    setUp();
    const { directory } = await startInstanceGuest(fixture, { through: fixture.withFewSymbols(agentPath) });
    const output = join(fixture.scratch, "mistyped.dat");
    for (const command of ["record", "stream"]) {
      const file = command === "record" ? ["-o", output] : [];
      const { code, stderr } = await host(command, directory, "-e", "sched:sched_swich", "-d", "1", ...file);
      expect({ code, stderr }).toEqual({ code: 69, stderr: expect.stringContaining('no event "sched:sched_swich"') });
      expect(fixture.tracefs.read("set_event")).toBe("irq:irq_handler_entry");
    }
    const { code } = await host("record", directory, "-e", "sched:sched_switc?", "-d", "0.2", "-o", output);
    expect(code).toBe(0);
  }, 300_000);

  test("is recorded again after a recorder that was killed with -9", async () => {
    setUp();
    const { directory, agent } = await startInstanceGuest(fixture, { through: fixture.withFewSymbols(agentPath) });
    const output = join(fixture.scratch, "killed.dat");
    const recorder = new RecorderProcess(["record", directory, ...set, "-o", output], hostPath);
    await recorder.recording(output);
    await recorder.killHard();
    rmSync(`${output}.spool`, { recursive: true, force: true });
    expect((await host("status", directory)).code).toBe(0);
    if (agentPath === executable) {
      // Today's agent puts back what the killed host had set, also a host of protocol 1.
      await eventually(
        () => fixture.tracefs.read("set_event") === "irq:irq_handler_entry",
        "the events are as before",
        () => agent.log,
      );
    }
    const recorded = await host("record", directory, ...set, "-d", "0.3", "-o", output);
    expect({ code: recorded.code, stderr: recorded.code === 0 ? "" : recorded.stderr }).toEqual({
      code: 0,
      stderr: "",
    });
    expect(statSync(output).size).toBeGreaterThan(10_000);
    expect(agent.ended).toBeUndefined();
  }, 300_000);
});
