/** Functions, tracer, tasks and options on a directory of plain files: what is refused, noted and restored. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type EarlierValue, Settings } from "../../../src/guest/control/settings.ts";
import { guestLimits } from "../../../src/guest/limits.ts";
import { settingsThere } from "../../../src/guest/settings/setting-table.ts";
import { settingWords } from "../../../src/protocol/words.ts";
import { FakeTracefs } from "../../support/fake-tracefs.ts";

let fake: FakeTracefs;
let settings: Settings;
let noted: EarlierValue[];
const newSettings = (): Settings =>
  new Settings(fake.path, { add: (key, value) => noted.push({ key, value }), clear: () => (noted = []) });

beforeEach(() => {
  fake = new FakeTracefs();
  noted = [];
  settings = newSettings();
});
afterEach(() => fake.remove());

const switchFilter = "events/sched/sched_switch/filter";

describe("set functions", () => {
  test("takes names and patterns of functions that are there", () => {
    expect(settings.set("functions", "vfs_* !vfs_write ext4_read")).toBe("");
    expect(fake.read("set_ftrace_filter")).toBe("vfs_* !vfs_write ext4_read");
    settings.restore();
    expect(fake.read("set_ftrace_filter")).toBe("");
  });

  test.each([
    ":mod:ext4",
    "vfs_read:traceoff",
    "vfs_read:traceoff:5",
    "vfs_read:enable_event:sched:sched_switch",
    "vfs_read:snapshot",
    "vfs_read:stacktrace",
    "vfs_read:dump",
    "*:mod:*",
    "vfs_read vfs_write:cpudump",
    "17",
    "vfs_read;",
    "../x",
  ])("refuses %p, which set_ftrace_filter would take for more than a name", (value) => {
    for (const key of ["functions", "no_functions", "graph_functions"] as const)
      expect(() => settings.set(key, value)).toThrow("not the name of a function");
    expect(fake.read("set_ftrace_filter")).toStartWith("####");
    expect(noted).toEqual([]);
  });

  test("names what is not there, and takes no list of thousands", () => {
    expect(() => settings.set("functions", "vfs_read vfs_raed nosuch_*")).toThrow('no function "vfs_raed nosuch_*"');
    expect(() => settings.set("functions", "vfs_read ".repeat(1025))).toThrow("more than 1024 names");
    expect(() => settings.set("functions", "vfs_* ".repeat(65))).toThrow("more than 64 patterns");
  });

  test("restores the names that were there, of modules too", () => {
    fake.write("set_ftrace_notrace", "vfs_read\next4_read [ext4]\n");
    settings.set("no_functions", "vfs_write");
    settings.restore();
    expect(fake.read("set_ftrace_notrace")).toBe("vfs_read ext4_read");
  });

  test("refuses where the list that is there could not be written again", () => {
    for (const [list, reason] of [
      ["static_one\n", '"static_one" cannot be named alone'],
      ["*:mod:nfs\n", 'it holds "*:mod:nfs"'],
      ["vfs_read\n".repeat(guestLimits.functionListChars / 8), "more than 16384 chars"],
    ] as const) {
      fake.write("set_ftrace_filter", list);
      expect(() => settings.set("functions", "vfs_write")).toThrow(reason);
      expect(fake.read("set_ftrace_filter")).toBe(list.trim());
      expect(noted).toEqual([]);
    }
    // Somebody's commands are no part of the list, and stay where they are.
    fake.write("set_ftrace_filter", "vfs_read\ndo_sys_open:traceoff:unlimited\n");
    expect(settings.set("functions", "vfs_write")).toBe("vfs_read");
  });
});

describe("set tracer, graph_depth, pids, options, buffer_size_kb", () => {
  test("name the tracers that are there, where one is missing", () => {
    expect(() => settings.set("tracer", "function_graph")).toThrow("this kernel has blk, function, nop");
    expect(() => settings.set("tracer", "blk")).toThrow("an order may name nop, function, function_graph");
    settings.set("tracer", "function");
    settings.restore();
    expect(fake.read("current_tracer")).toBe("nop");
    fake.write("current_tracer", "irqsoff\n");
    expect(() => settings.set("tracer", "function")).toThrow('tracer "irqsoff" runs');
  });

  test("set the tasks of events and of functions together", () => {
    settings.set("pids", "17 5 17");
    expect([fake.read("set_event_pid"), fake.read("set_ftrace_pid")]).toEqual(["5 17", "5 17"]);
    settings.restore();
    expect([fake.read("set_event_pid"), fake.read("set_ftrace_pid")]).toEqual(["", ""]);
    for (const bad of ["0", "-1", "x", "9999999", "1,2"]) expect(() => settings.set("pids", bad)).toThrow("cannot set");
    expect(() => settings.set("pids", Array.from({ length: 65 }, (_, pid) => pid + 1).join(" "))).toThrow("64 tasks");
  });

  test("take options of the protocol's list, all or none, and restore each", () => {
    settings.set("options", "stacktrace nooverwrite");
    expect([fake.read("options/stacktrace"), fake.read("options/overwrite")]).toEqual(["1", "0"]);
    settings.set("options", "nostacktrace");
    settings.restore();
    expect([fake.read("options/stacktrace"), fake.read("options/overwrite")]).toEqual(["0", "1"]);
    for (const bad of ["nosuch", "../tracing_on", "stacktrace verbose", "trace_printk_dest", "nonooverwrite"])
      expect(() => settings.set("options", bad)).toThrow("an order may name");
    expect(() => settings.set("options", "stacktrace sleep-time")).toThrow("no such option");
    expect(fake.read("options/stacktrace")).toBe("0");
  });

  test("trace stacks of functions only where some are named, and keep it so", () => {
    expect(() => settings.set("options", "func_stack_trace")).toThrow("functions are named first");
    fake.write("set_ftrace_filter", "vfs_read\n");
    settings.set("options", "func_stack_trace");
    for (const value of ["", "!vfs_read"]) expect(() => settings.set("functions", value)).toThrow("func_stack_trace");
  });

  test("give a ring buffer at most half of the memory that is available", () => {
    expect(() => settings.set("buffer_size_kb", "999999999")).toThrow("more than half of the");
    expect(fake.read("buffer_size_kb")).toBe("1408");
    expect(() => settings.set("graph_depth", "1000")).toThrow("0 to 999");
  });
});

describe("whatever is set", () => {
  test("is undone as a whole when a part of it cannot be written", () => {
    fake.breakFile("events/irq/irq_handler_entry/filter");
    expect(() => settings.set("filter", "sched:sched_switch,irq:irq_handler_entry common_pid > 5")).toThrow();
    expect(fake.read(switchFilter)).toBe("none");
    expect(noted).toEqual([]);
  });

  test("is restored by a successor, by the notes", () => {
    settings.set("filter", "sched:sched_switch common_pid > 5");
    settings.set("trigger", "sched:sched_waking stacktrace");
    settings.set("options", "stacktrace");
    settings.set("functions", "vfs_read");
    settings.set("pids", "5");
    fake.write("events/sched/sched_waking/trigger", "stacktrace:unlimited\n");
    const successor = newSettings();
    expect(successor.adopt(noted)).toEqual([]);
    expect(successor.restore()).toEqual([]);
    expect(fake.read(switchFilter)).toBe("0");
    expect(fake.read("events/sched/sched_waking/trigger")).toBe("!stacktrace");
    expect(fake.read("options/stacktrace")).toBe("0");
    expect(fake.read("set_ftrace_filter")).toBe("");
    expect(fake.read("set_event_pid")).toBe("");
  });

  test("is restored in parts too", () => {
    settings.set("events", "sched");
    settings.set("options", "stacktrace");
    expect(settings.restore(["events"])).toEqual([]);
    expect(fake.read("set_event")).toBe("irq:irq_handler_exit");
    expect(fake.read("options/stacktrace")).toBe("1");
    expect(settings.changed).toBe(true);
    settings.restore();
    expect(settings.changed).toBe(false);
  });

  test("is not believed where the notes name no place of ours", () => {
    const refused = settings.adopt([
      { key: "filter ../../x:y", value: "none" },
      { key: "trigger sched:sched_switch hist", value: "" },
      { key: "trigger sched:sched_switch stacktrace", value: "hist:keys=x" },
      { key: "option verbose", value: "1" },
      { key: "functions", value: "vfs_read:traceoff" },
      { key: "tracer", value: "blk" },
      { key: "set_event", value: "sched" },
    ]);
    expect(refused.length).toBe(7);
    expect(settings.changed).toBe(false);
  });
});

test("a hello lists the settings for which the kernel has the file", () => {
  expect(settingsThere(fake.path)).toEqual([...settingWords]);
  fake.breakFile("set_graph_function");
  expect(settingsThere(fake.path)).toContain("functions");
  fake.remove();
  expect(settingsThere(fake.path)).toEqual([]);
  fake = new FakeTracefs();
});
