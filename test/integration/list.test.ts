/** `trace-agent list`: what a guest has, as the files of its tracefs and trace-cmd list say it. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { AgentFixture } from "../support/agent-fixture.ts";
import { startInstanceGuest } from "../support/instance-guest.ts";
import { whyNoTools } from "../support/packages.ts";
import { traceAgent, traceAgentText } from "../support/recorder-process.ts";
import { traceCmd } from "../support/trace-cmd.ts";

const fixture = new AgentFixture("list");
const noTraceCmd = fixture.skipReason ?? (await whyNoTools("trace-cmd"));
if (noTraceCmd !== undefined) console.log(`skipped: trace-cmd list beside ours: ${noTraceCmd}`);
const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");

describe.skipIf(fixture.skipReason !== undefined)("list", () => {
  test("tells the guest's events, fields, clocks and tracers", async () => {
    const { directory } = await startInstanceGuest(fixture);
    const list = (...args: string[]): Promise<string> => traceAgentText("list", directory, ...args);
    const available = lines(readFileSync("/sys/kernel/tracing/available_events", "latin1"));
    expect(lines(await list())).toEqual(available);
    expect(lines(await list("-e", "irq,*:sched_sw*"))).toEqual(
      available.filter((name) => name.startsWith("irq:") || name.includes(":sched_sw")),
    );
    const format = fixture.tracefs.read("events/sched/sched_switch/format");
    expect(await list("--fields", "sched_switch")).toBe(`system: sched\n${format}\n`);
    expect(await list("--clocks")).toBe(`${fixture.tracefs.read("trace_clock")}\n`);
    expect(await list("--tracers")).toBe(`${fixture.tracefs.read("available_tracers")}\n`);
    expect(JSON.parse(await list("--clocks", "--tracers", "--fields", "sched_switch", "--json"))).toMatchObject({
      formats: [
        {
          event: "sched:sched_switch",
          fields: expect.arrayContaining([expect.objectContaining({ name: "prev_pid", size: 4, signed: true })]),
        },
      ],
      clocks: fixture.tracefs.read("trace_clock").replaceAll(/[[\]]/g, "").split(" "),
      clock: "local",
      tracers: fixture.tracefs.read("available_tracers").split(" "),
    });
    expect(JSON.parse(await list("-e", "sched_switch", "--json"))).toEqual({ events: ["sched:sched_switch"] });
  }, 300_000);

  test("names what is not there, and what may have been meant", async () => {
    const { directory } = await startInstanceGuest(fixture);
    for (const args of [
      ["-e", "sched_swich"],
      ["--fields", "sched_swich"],
    ])
      expect(await traceAgent("list", directory, ...args)).toMatchObject({
        code: 69,
        stdout: "",
        stderr: expect.stringContaining('has no event "sched_swich"; did you mean sched_switch?'),
      });
    expect(await traceAgent("list", "--local", directory)).toMatchObject({ code: 64 });
    expect(await traceAgent("list")).toMatchObject({ code: 64, stderr: expect.stringContaining("GUEST is missing") });
  }, 300_000);

  test.skipIf(noTraceCmd !== undefined)(
    "tells what trace-cmd list tells of this machine",
    async () => {
      const ours = async (...args: string[]): Promise<string[]> =>
        lines(await traceAgentText("list", "--local", ...args));
      expect((await ours()).sort()).toEqual(lines(traceCmd("list", "-e")).sort());
      expect((await ours("-e", "*:sched_sw*")).sort()).toEqual(lines(traceCmd("list", "-e", "^sched_sw")).sort());
      expect((await ours("--clocks"))[0]?.replaceAll(/[[\]]/g, "")).toBe(
        traceCmd("list", "-C").trim().replaceAll(/[[\]]/g, ""),
      );
    },
    300_000,
  );
});
