/** What is recorded is chosen as trace-cmd record does it, on an instance of this machine; and all is as before, however it ends. */
import { afterAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { filterPlace } from "../../src/guest/settings/filter-settings.ts";
import { AgentFixture } from "../support/agent-fixture.ts";
import { eventually } from "../support/agent-process.ts";
import { startInstanceGuest } from "../support/instance-guest.ts";
import { RecorderProcess, traceAgent, traceAgentText } from "../support/recorder-process.ts";
import { allowedMs, timed } from "../support/timing.ts";
import { tracingState } from "../support/tracing-state.ts";
import { words } from "../support/words.ts";

const fixture = new AgentFixture("choose");
const output = join(fixture.scratch, "chosen.dat");
afterAll(() => rmSync(output, { force: true }));
const state = (): string => tracingState(fixture.tracefs.path);
/** Of the events that the orders of this file name: of all 2000 it takes a twentieth of a second. */
const stateOfNamed = (): string => tracingState(fixture.tracefs.path, ["sched", "irq", "timer"]);
const enabled = (): string[] => fixture.tracefs.read("set_event").split("\n").sort();

/** Every kind of setting that an instance of any kernel has. */
const everything = words(
  "-e sched:sched_switch -f |prev_pid != 0| -R |stacktrace:100000 if prev_prio < 200| -e irq,timer -v -e *exit " +
    `-P ${process.pid} -T -O noirq-info -b 1M -C mono`,
);

/** What a user of the machine had set there. */
function setUp(): string {
  const { tracefs } = fixture;
  tracefs.write("set_event", "irq:irq_handler_entry");
  tracefs.write("set_event_pid", "1 2");
  tracefs.write("events/sched/sched_switch/filter", "prev_pid > 3");
  tracefs.write("events/sched/sched_waking/filter", 'comm == "x"');
  tracefs.write("events/timer/timer_init/trigger", "traceoff if timer == 1");
  return state();
}

/** What `setUp()` made, so that the next test finds the instance new. */
function cleanUp(): void {
  const { tracefs } = fixture;
  tracefs.write("events/timer/timer_init/trigger", "!traceoff");
  tracefs.write("events/sched/sched_switch/filter", "0");
  tracefs.write("events/sched/sched_waking/filter", "0");
  tracefs.write("set_event_pid", "");
}

describe.skipIf(fixture.skipReason !== undefined)("what a recording chooses", () => {
  test("is set while it runs, and byte for byte as before afterwards", async () => {
    const before = setUp();
    const { directory } = await startInstanceGuest(fixture);
    const recorder = new RecorderProcess(["record", directory, ...everything, "-o", output]);
    await recorder.recording(output);
    const { tracefs } = fixture;
    const trigger = (): string => tracefs.read("events/sched/sched_switch/trigger");
    await eventually(() => trigger().startsWith("stacktrace:count="), "the trigger is set", trigger);
    expect(trigger()).toEndWith("if prev_prio < 200");
    expect(tracefs.read("events/sched/sched_switch/filter")).toBe("prev_pid != 0");
    expect(tracefs.read("set_event_pid")).toBe(`${process.pid}`);
    expect(tracefs.read("options/stacktrace")).toBe("1");
    expect(tracefs.read("options/irq-info")).toBe("0");
    // Some kernels round up to whole sub-buffers without their headers.
    expect(tracefs.read("buffer_size_kb")).toMatch(/^10[23]\d$/);
    const wanted = (await traceAgentText("list", "--local", "-e", "irq,timer,sched:sched_switch")).trim().split("\n");
    expect(enabled()).toEqual(wanted.filter((name) => !name.endsWith("exit")).sort());
    recorder.kill("SIGINT");
    expect(await recorder.ended()).toMatchObject({ code: 0 });
    expect(state()).toBe(before);
    cleanUp();
  }, 300_000);

  test("may be a list that is longer than an order, and one that is refused changes nothing", async () => {
    const { directory } = await startInstanceGuest(fixture);
    const args = ["record", directory, "-e", "all", "-v", "-e", "*e*x*,*n*t*"];
    const recorder = new RecorderProcess([...args, "-o", output]);
    await recorder.recording(output);
    const names = (await traceAgentText("list", "--local")).trim().split("\n");
    const excluded = /(^|:)\w*(e\w*x|n\w*t)\w*(:|$)/;
    const wanted = names.filter((name) => !excluded.test(name));
    expect(enabled()).toEqual(wanted.sort());
    expect(wanted.join(" ").length).toBeGreaterThan(16 * 1024);
    recorder.kill("SIGINT");
    await recorder.ended();
    expect(fixture.tracefs.read("set_event")).toBe("");
  }, 300_000);

  test("is told in a second where it is mistyped, and nothing is changed", async () => {
    const before = setUp();
    const named = stateOfNamed();
    const { directory } = await startInstanceGuest(fixture);
    for (const [args, code, text] of [
      [["-e", "sched_swich"], 69, 'has no event "sched_swich"; did you mean sched_switch?'],
      [["-e", "sched", "-v", "-e", "sched_swich"], 69, 'has no event "sched_swich"; did you mean sched_switch?'],
      [["-e", "sched:sched_switch", "-f", "prev_pidd == 1"], 69, 'it has no field "prev_pidd"'],
      [["-e", "sched", "-f", "prev_pidd == 1"], 69, 'has a field "prev_pidd"; did you mean prev_pid?'],
      [["-e", "sched:sched_switch", "-R", "stacktrace if nofield == 1"], 69, 'it has no field "nofield"'],
      [["-e", "timer:timer_init", "-R", "traceoff:3"], 69, 'it has "traceoff if timer == 1" already'],
      [["-e", "sched", "-p", "function_graph"], 69, "this kernel has "],
      [["-e", "sched", "-b", "900G"], 69, "more than half of the"],
      [["-e", "sched", "-R", "hist:keys=prev_pid"], 64, "these are taken"],
      [["-e", "sched", "-R", "enable_event:irq:irq_handler_entry"], 64, "these are taken"],
      [["-e", "sched", "-l", "vfs_read:traceoff"], 64, "behind a colon are not taken"],
      [["-e", "sched", "-O", "verbose"], 64, "these change what is recorded"],
      [["-e", "sched", "-p", "blk"], 64, "use nop, function, function_graph"],
      [["-f", "prev_pid == 1", "-e", "sched"], 64, "give it behind the -e"],
      [["-e", "sched", "-P", "1,x"], 64, 'cannot use task "x"'],
    ] as const) {
      const timing = await timed(async () => {
        const end = await traceAgent("record", directory, ...args, "-d", "0.3", "-o", output);
        expect({ args, code: end.code, stderr: end.stderr }).toEqual({
          args,
          code,
          stderr: expect.stringContaining(text),
        });
      });
      expect(timing.ms).toBeLessThan(allowedMs(1000, timing));
      expect(stateOfNamed()).toBe(named);
    }
    expect(state()).toBe(before);
    cleanUp();
  }, 300_000);

  test("is restored when the recorder, and when the agent was killed with -9", async () => {
    const before = setUp();
    const { directory, agent } = await startInstanceGuest(fixture);
    const killed = new RecorderProcess(["record", directory, ...everything, "-o", output]);
    await killed.recording(output);
    await killed.killHard();
    rmSync(`${output}.spool`, { recursive: true, force: true });
    expect(state()).not.toBe(before);
    await traceAgentText("status", directory);
    await eventually(
      () => state() === before,
      "as before",
      () => agent.log,
    );

    const second = new RecorderProcess(["record", directory, ...everything, "-o", output]);
    await second.recording(output);
    agent.child.kill("SIGKILL");
    await agent.end();
    await second.killHard();
    rmSync(`${output}.spool`, { recursive: true, force: true });
    expect(state()).not.toBe(before);
    const successor = fixture.launch(["--ports", directory]);
    await successor.says("armed: ");
    expect(state()).toBe(before);
    cleanUp();
  }, 300_000);
});

describe.skipIf(fixture.skipReason !== undefined)("an attack on the keys of set", () => {
  test("is answered by an error each time, and changes nothing", async () => {
    const before = setUp();
    const named = stateOfNamed();
    const { agent, ports } = await fixture.startOnPorts();
    await ports.ask("hello x", "hello", () => agent.log);
    for (const order of [
      "set functions :mod:ext4",
      "set functions vfs_read:traceoff",
      "set functions vfs_read:enable_event:sched:sched_switch",
      "set functions vfs_read:snapshot",
      "set functions *:dump",
      "set no_functions *:mod:*",
      "set graph_functions vfs_read:stacktrace:5",
      `set functions ${"vfs_read ".repeat(1500)}`,
      "set trigger sched:sched_switch enable_event:irq:irq_handler_entry",
      "set trigger sched:sched_switch disable_event:irq:irq_handler_entry",
      "set trigger sched:sched_switch hist:keys=prev_pid:size=131072",
      "set trigger sched:sched_switch snapshot",
      "set trigger sched:sched_switch !stacktrace",
      "set trigger ../../sched:sched_switch stacktrace",
      "set filter sched:sched_switch",
      "set filter sched/sched_switch common_pid > 1",
      `set filter sched:sched_switch ${"(".repeat(1024)}`,
      `set filter sched:sched_switch ${"!".repeat(1024)}`,
      `set filter sched:sched_switch ${"common_pid > 1 || ".repeat(100)}common_pid > 1`,
      "set filter sched:sched_switch,nosuch:event common_pid > 1",
      "set options ../tracing_on",
      "set options trace_printk_dest",
      "set options func_stack_trace",
      "set tracer hwlat",
      "set tracer mmiotrace",
      "set pids 0",
      `set pids ${Array.from({ length: 65 }, (_, pid) => pid + 1).join(" ")}`,
      "set buffer_size_kb 4294967295",
      "set events+ .",
      "set events sched:sched_switch;irq",
    ]) {
      const { error } = await ports.ask(order, "error", () => agent.log);
      expect({ order, error: typeof error }).toEqual({ order, error: "string" });
      expect(stateOfNamed()).toBe(named);
    }
    // What is no text is no order: counted, logged, and in between nothing is carried out. One at a time: each has an error of its own.
    for (const order of ["set functions vfs_read\x1b:traceoff", "set filter sched:sched_switch \x07"])
      await ports.ask(order, "error", () => agent.log);
    for (let part = 0; part < 20; part++) ports.order(`set events+ ${"x".repeat(16_000)}\n`);
    const { error } = await ports.ask("set events+ .", "error", () => agent.log);
    expect(error).toContain("longer than");
    await ports.ask("status", "status", () => agent.log);
    expect(state()).toBe(before);
    cleanUp();
  }, 300_000);
});

describe.skipIf(fixture.skipReason !== undefined)("what the kernel itself refuses", () => {
  test("leaves filter, trigger and an empty error_log as they were", async () => {
    const { tracefs } = fixture;
    tracefs.write("events/sched/sched_switch/filter", "prev_pid > 3");
    const before = state();
    // More than a page: we refuse that too, so the kernel has to be asked by hand.
    const long = `prev_comm != "${"x".repeat(250)}" `;
    const places = [filterPlace(tracefs.path, "sched:sched_switch"), filterPlace(tracefs.path, "sched:sched_waking")];
    for (const place of places) {
      const value = place.read();
      expect(() => place.write("nosuch == 1")).toThrow();
      place.putBack(value);
      expect(() => place.write(`${long} && `.repeat(20))).toThrow();
      place.putBack(value);
    }
    expect(state()).toBe(before);
    tracefs.write("events/sched/sched_switch/filter", "0");
  });
});
