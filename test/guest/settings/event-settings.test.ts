/** Filters and triggers on a directory of plain files: what is refused, noted and restored. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type EarlierValue, Settings } from "../../../src/guest/control/settings.ts";
import { FakeTracefs } from "../../support/fake-tracefs.ts";

let fake: FakeTracefs;
let settings: Settings;
let noted: EarlierValue[];

beforeEach(() => {
  fake = new FakeTracefs();
  noted = [];
  settings = new Settings(fake.path, { add: (key, value) => noted.push({ key, value }), clear: () => (noted = []) });
});
afterEach(() => fake.remove());

const switchFilter = "events/sched/sched_switch/filter";
const switchTrigger = "events/sched/sched_switch/trigger";

describe("set filter", () => {
  test("writes the filter of each event, and takes it away again", () => {
    settings.set("filter", "sched:sched_switch, irq:irq_handler_entry common_pid > 5");
    expect(fake.read(switchFilter)).toBe("common_pid > 5");
    expect(fake.read("events/irq/irq_handler_entry/filter")).toBe("common_pid > 5");
    expect(noted).toEqual([
      { key: "filter sched:sched_switch", value: "none" },
      { key: "filter irq:irq_handler_entry", value: "none" },
    ]);
    expect(settings.restore()).toEqual([]);
    // The kernel's own word for "no filter" is "0".
    expect(fake.read(switchFilter)).toBe("0");
    expect(noted).toEqual([]);
  });

  test("restores the filter that was there", () => {
    fake.write(switchFilter, "common_pid == 1\n");
    settings.set("filter", 'sched:sched_switch prev_comm ~ "b*" && !(prev_state & 1)');
    settings.restore();
    expect(fake.read(switchFilter)).toBe("common_pid == 1");
  });

  test("of a system is written where it fits, and of an event must fit", () => {
    settings.set("filter", 'sched:*,irq:* prev_comm == "x"');
    expect(fake.read(switchFilter)).toBe('prev_comm == "x"');
    expect(fake.read("events/irq/irq_handler_entry/filter")).toBe("none");
    expect(() => settings.set("filter", "sched:*,irq:irq_handler_entry prev_state == 1")).toThrow(
      'irq:irq_handler_entry: it has no field "prev_state"',
    );
    expect(() => settings.set("filter", "irq:* prev_state == 1")).toThrow('no event of these has a field "prev_state"');
  });

  test("that fits no event of a system tells what is wrong where it fits best, and the name that is near", () => {
    expect(() => settings.set("filter", "sched:*,irq:* prev_stat == 1")).toThrow(
      'no event of these has a field "prev_stat"; did you mean prev_state?',
    );
    expect(() => settings.set("filter", "irq:*,sched:* prev_state ~ 1")).toThrow(
      'sched:sched_switch: field "prev_state" is a number',
    );
    expect(() => settings.set("filter", "irq:*,sched:* prev_state == 1 && irq == 1")).toThrow(
      "no event of these has all of its fields",
    );
  });

  test("leaves a filter alone that stands with an error of the kernel, since that cannot be written", () => {
    fake.write(switchFilter, "((bad\n  ^\nparse_error: Missing field\n");
    expect(() => settings.set("filter", "sched:sched_switch common_pid > 5")).toThrow("could not be restored");
    expect(fake.read(switchFilter)).toContain("parse_error");
  });

  test.each([
    ["sched:sched_swich common_pid > 5", 'no event "sched:sched_swich"'],
    ["sched_switch common_pid > 5", "not a list SYSTEM:EVENT"],
    ["../../etc:passwd common_pid > 5", "not a list SYSTEM:EVENT"],
    ["sched:sched_switch", "not a list SYSTEM:EVENT"],
    ["sched:sched_switch common_pid >", "must be compared with a number"],
    ["sched:sched_switch common_pid > 5) || (1", "&& or || is missing"],
    ["sched:sched_switch common_pid == -99999999999999999999", "cannot be"],
    ["sched:sched_switch common_type == -1", "cannot be -1"],
    ["sched:sched_switch prev_comm > 5", "is a string"],
    ["sched:sched_switch prev_comm == x", "a string in quotes"],
    ['sched:sched_switch prev_comm == "x', "a string in quotes"],
    [`sched:sched_switch ${"(".repeat(2000)}`, "longer than"],
    [`sched:sched_switch ${"(".repeat(1000)}`, "name of a field is missing"],
  ])("refuses %p before anything is changed", (value, reason) => {
    expect(() => settings.set("filter", value)).toThrow(reason);
    expect(fake.read(switchFilter)).toBe("none");
    expect(noted).toEqual([]);
  });
});

describe("set trigger", () => {
  test("takes three words, with a count and a filter", () => {
    settings.set("trigger", "sched:sched_switch stacktrace");
    expect(fake.read(switchTrigger)).toBe("stacktrace");
    fake.write(switchTrigger, "stacktrace:unlimited\n");
    settings.set("trigger", "irq:irq_handler_entry traceoff:5 if irq == 3");
    expect(fake.read("events/irq/irq_handler_entry/trigger")).toBe("traceoff:5 if irq == 3");
    // Such a trigger switches tracing off: that is restored too, though nobody set it.
    expect(noted.map(({ key }) => key)).toContain("tracing_on");
    fake.write("tracing_on", "0\n");
    settings.restore();
    expect(fake.read("tracing_on")).toBe("1");
    expect(fake.read(switchTrigger)).toBe("!stacktrace");
  });

  test.each([
    "enable_event:sched:sched_waking",
    "disable_event:sched:sched_waking:3",
    "hist:keys=prev_pid",
    "snapshot",
    "snapshot:1",
    "!stacktrace",
    "stacktrace:0",
    "stacktrace:x",
    "stacktrace:5:enable_event:a:b",
    "traceoff if",
    "stacktrace; traceoff",
  ])("refuses %p", (value) => {
    expect(() => settings.set("trigger", `sched:sched_switch ${value}`)).toThrow("cannot set trigger");
    expect(fake.read(switchTrigger)).toStartWith("# Available triggers");
    expect(noted).toEqual([]);
  });

  test("refuses an event of which a trigger counts, or has one of the kind", () => {
    fake.write(switchTrigger, "traceoff:count=3\n");
    expect(() => settings.set("trigger", "sched:sched_switch stacktrace")).toThrow('"traceoff:count=3" counts');
    fake.write(switchTrigger, "stacktrace:unlimited if prev_pid > 1\n");
    expect(() => settings.set("trigger", "sched:sched_switch stacktrace")).toThrow("could not be restored");
    expect(noted).toEqual([]);
    // Another kind is not touched.
    fake.write(switchTrigger, "hist:keys=prev_pid:vals=hitcount:size=2048 [active]\n");
    settings.set("trigger", "sched:sched_switch stacktrace");
    expect(noted).toEqual([{ key: "trigger sched:sched_switch stacktrace", value: "" }]);
  });
});
