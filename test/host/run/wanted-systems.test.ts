import { describe, expect, test } from "bun:test";
import { systemsOfEvents } from "../../../src/host/run/wanted-systems.ts";
import { cpuMsOf } from "../../support/timing.ts";

const known = "sched:sched_switch\nirq:irq_handler_entry\ntimer:timer_start\nhrtimer:timer\n";

describe("systemsOfEvents()", () => {
  test.each([
    [
      ["sched:*", "irq:irq_handler_entry"],
      ["sched", "irq"],
    ],
    [
      ["sched:* irq:x", "!timer:y"],
      ["sched", "irq"],
    ],
    [["*:*"], ["*"]],
    [["*"], ["*"]],
    [[":timer_start"], ["*"]],
    [["sch*:sched_switch"], ["sch*"]],
  ])("of %p are %p, whatever the guest has", (events, systems) => {
    expect(systemsOfEvents(events)).toEqual(systems);
  });

  test.each([
    [["sched"], ["sched"]],
    [["timer"], ["timer", "hrtimer"]],
    [["sched_switch"], ["sched"]],
    [["*timer*"], ["timer", "hrtimer"]],
    [["irq:*", "none"], ["irq"]],
    [["?rq"], ["irq"]],
    [["sched_swich"], []],
    [["**********************************irq_handler_entry"], ["irq"]],
  ])("of %p are %p by the guest's events", (events, systems) => {
    expect(systemsOfEvents(events)).toBeUndefined();
    expect(systemsOfEvents(events, known)?.toSorted()).toEqual(systems.toSorted());
  });

  test("are all where a word is none that an order could name", () => {
    expect(systemsOfEvents(["a\u00e4:*"], known)).toBeUndefined();
    expect(systemsOfEvents(["a(b"], known)).toBeUndefined();
  });

  test("are told soon of a hostile list and pattern", () => {
    const long = `${"a".repeat(100)}:${"a".repeat(100)}\n`.repeat(10_000);
    expect(cpuMsOf(() => systemsOfEvents([`${"*a".repeat(20)}b`], long))).toBeLessThan(5_000);
  });
});
