/** Settings on a directory of plain files; what the kernel makes of them is tested on an instance (test/integration). */
import { afterEach, beforeEach, describe, expect, mock, test } from "bun:test";
import { AgentError } from "../../../src/base/errors.ts";
import * as tracefsModule from "../../../src/tracefs/tracefs.ts";
import { type EarlierValue, type Notes, Settings } from "../../../src/guest/control/settings.ts";
import { FakeTracefs } from "../../support/fake-tracefs.ts";

const realTracefs = { ...tracefsModule };
/** A file that another program keeps busy. */
let busy: string | undefined;
await mock.module("../../../src/tracefs/tracefs.ts", () => ({
  ...realTracefs,
  writeTracing: (directory: string, name: string, value: string) => {
    if (name !== busy) return realTracefs.writeTracing(directory, name, value);
    const cause = Object.assign(new Error("EBUSY: resource busy"), { code: "EBUSY" });
    throw new AgentError("io", `cannot write to ${name}`, { cause });
  },
}));

let fake: FakeTracefs;
let settings: Settings;
/** What was noted, with what stood in the file at that moment. */
let noted: (EarlierValue & { file: string })[];
let cleared: number;
const files: Record<string, string> = {
  events: "set_event",
  buffer_size_kb: "buffer_size_kb",
  clock: "trace_clock",
  tracing_on: "tracing_on",
  "filter sched:sched_switch": "events/sched/sched_switch/filter",
  "filter irq:irq_handler_entry": "events/irq/irq_handler_entry/filter",
};

beforeEach(() => {
  fake = new FakeTracefs();
  noted = [];
  cleared = 0;
  const notes: Notes = {
    add: (key, value) => noted.push({ key, value, file: fake.read(files[key] ?? key) }),
    clear: () => cleared++,
  };
  settings = new Settings(fake.path, notes);
});
afterEach(() => fake.remove());

test("restore() keeps what is busy, and restores it the next time", () => {
  settings.set("clock", "mono");
  settings.set("buffer_size_kb", "4096");
  busy = "buffer_size_kb";
  expect(settings.restore()).toEqual(["cannot write to buffer_size_kb"]);
  expect({ changed: settings.changed, cleared }).toEqual({ changed: true, cleared: 0 });
  busy = undefined;
  expect(settings.restore()).toEqual([]);
  expect({ changed: settings.changed, cleared }).toEqual({ changed: false, cleared: 1 });
  expect(fake.read("buffer_size_kb")).toBe("1408");
});

describe("set()", () => {
  test("changes nothing, and notes nothing, for what this guest does not have", () => {
    for (const [key, value, words] of [
      ["events", "sched:sched_switch sched:sched_swich", 'this kernel has no event "sched:sched_swich"'],
      ["events", "sched; rm", "not a valid"],
      ["clock", "nosuch", "this kernel has local, global, mono"],
      ["buffer_size_kb", "0", "not a valid"],
      ["tracing_on", "2", "not a valid"],
    ] as const) {
      expect(() => settings.set(key, value)).toThrow(words);
    }
    expect(fake.read("set_event")).toBe("irq:irq_handler_exit");
    expect(noted).toEqual([]);
    expect(settings.changed).toBe(false);
  });

  test("notes what was there before it changes it, once for each key", () => {
    expect(settings.set("events", "sched")).toBe("irq:irq_handler_exit");
    expect(settings.set("events", "irq")).toBe("sched");
    expect(settings.set("buffer_size_kb", "4096")).toBe("1408");
    expect(noted).toEqual([
      { key: "events", value: "irq:irq_handler_exit", file: "irq:irq_handler_exit" },
      { key: "buffer_size_kb", value: "1408", file: "1408" },
    ]);
  });

  test("leaves a value alone that is there already: a clock set again would empty the ring buffer", () => {
    const before = fake.read("trace_clock");
    expect(settings.set("clock", "local")).toBe("local");
    expect(settings.set("tracing_on", "1")).toBe("1");
    expect(fake.read("trace_clock")).toBe(before);
    expect(settings.changed).toBe(false);
  });

  test("forgets a key that the host put back itself, and its notes with the last one", () => {
    settings.set("tracing_on", "0");
    settings.set("buffer_size_kb", "4096");
    settings.set("tracing_on", "1");
    expect(settings.changed).toBe(true);
    expect(cleared).toBe(0);
    settings.set("buffer_size_kb", "1408");
    expect(settings.changed).toBe(false);
    expect(cleared).toBe(1);
  });

  test("takes back what it had changed of several files when one cannot be written", () => {
    fake.write("events/sched/sched_switch/filter", "common_pid == 1\n");
    busy = "events/irq/irq_handler_entry/filter";
    expect(() => settings.set("filter", "sched:sched_switch,irq:irq_handler_entry common_pid > 5")).toThrow(busy);
    busy = undefined;
    expect(fake.read("events/sched/sched_switch/filter")).toBe("common_pid == 1");
    expect({ changed: settings.changed, cleared }).toEqual({ changed: false, cleared: 1 });
  });

  test("writes the events that a glob means", () => {
    settings.set("events", "*_w*");
    expect(fake.read("set_event")).toBe("sched:sched_waking");
  });
});

describe("restore()", () => {
  test("puts back events and tracing_on before what empties the ring buffer, whatever the order of setting", () => {
    const order: string[] = [];
    settings.set("buffer_size_kb", "64");
    settings.set("clock", "mono");
    settings.set("tracing_on", "0");
    settings.set("events", "sched");
    // Each of them fails, and says so in its turn.
    for (const name of Object.values(files)) fake.breakFile(name);
    for (const failure of settings.restore()) order.push(/"[^"]*\/([a-z_]+)"/.exec(failure)?.[1] ?? failure);
    expect(order).toEqual(["set_event", "tracing_on", "trace_clock", "buffer_size_kb"]);
  });

  test("puts back all, and leaves out events that are gone with their module", () => {
    fake.write("set_event", "nfs:nfs_read_page\nirq:irq_handler_exit\n");
    fake.write("available_events", "nfs:nfs_read_page\nirq:irq_handler_exit\nsched:sched_switch\n");
    settings.set("events", "sched");
    settings.set("clock", "mono");
    fake.write("available_events", "irq:irq_handler_exit\nsched:sched_switch\n");
    expect(settings.restore()).toEqual(["events that the kernel no longer has: nfs:nfs_read_page"]);
    expect(fake.read("set_event")).toBe("irq:irq_handler_exit");
    expect(fake.read("trace_clock")).toBe("local");
    expect(settings.changed).toBe(false);
    expect(cleared).toBe(1);
    expect(settings.restore()).toEqual([]);
  });
});

describe("adopt()", () => {
  test("takes what a set would take, and nothing else", () => {
    const refused = settings.adopt([
      { key: "events", value: "sched" },
      { key: "clock", value: "../x" },
      { key: "tracing_on", value: "yes" },
      { key: "events", value: "x".repeat(1 << 20) },
    ]);
    expect(refused.length).toBe(3);
    expect(settings.restore()).toEqual([]);
    expect(fake.read("set_event")).toBe("sched");
    expect(fake.read("tracing_on")).toBe("1");
  });
});
