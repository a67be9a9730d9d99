import { describe, expect, test } from "bun:test";
import { matchesGlob } from "../../src/base/glob.ts";
import { chooseEvents, chooseNames, type EventWord } from "../../src/tracefs/event-choice.ts";
import { plugins } from "../../src/tracefs/event-list.ts";

const known = plugins([
  "sched:sched_switch",
  "sched:sched_waking",
  "sched:sched_stat_wait",
  "irq:irq_handler_entry",
  "irq:irq_handler_exit",
  "power:sched",
]);
const choose = (...words: EventWord[]): readonly string[] | undefined => chooseEvents(words, known, "it").enabled;

describe("chooseEvents()", () => {
  test.each([
    ["sched_switch", ["sched:sched_switch"]],
    ["irq", ["irq:*"]],
    ["irq:", ["irq:*"]],
    ["irq:*", ["irq:*"]],
    [":sched_switch", ["sched:sched_switch"]],
    ["*:sched_w*", ["sched:sched_waking"]],
    ["irq:irq_handler_e[nx]*", ["irq:*"]],
    ["irq:irq_handler_e[!x]*", ["irq:irq_handler_entry"]],
    ["sched_sw?tch", ["sched:sched_switch"]],
    // A word without a colon is a system and an event.
    ["sched", ["sched:*", "power:*"]],
    ["*", ["*:*"]],
    ["all", ["*:*"]],
    [":", ["*:*"]],
  ])("reads %p as trace-cmd does", (word, enabled) => {
    expect(choose({ word })).toEqual(enabled);
  });

  test("passes over an optional word that matches nothing, as of an older kernel", () => {
    const old = { word: "sched:sched_wakeup_new", optional: true };
    expect(choose({ word: "sched_switch" }, old)).toEqual(["sched:sched_switch"]);
    expect(() => choose({ word: "sched_switch" }, { word: old.word })).toThrow("sched_wakeup_new");
  });

  test("leaves out what is excluded, wherever that stands", () => {
    expect(choose({ word: "sched:*" }, { word: "*stat*", exclude: true })).toEqual([
      "sched:sched_switch",
      "sched:sched_waking",
    ]);
    expect(choose({ word: "irq", exclude: true }, { word: "all" })).toEqual(["sched:*", "power:*"]);
    // Nothing is enabled: for a trigger alone.
    expect(choose({ word: "irq", exclude: true, triggers: ["stacktrace"] })).toBeUndefined();
    expect(choose({ word: "irq" }, { word: "irq", exclude: true })).toEqual([]);
  });

  test("gives filters and triggers the events of their word", () => {
    const { filters, triggers } = chooseEvents(
      [
        { word: "irq", filter: "irq == 1" },
        { word: "sched_[sw]*", filter: "x", triggers: ["traceoff", "stacktrace"] },
      ],
      known,
      "it",
    );
    const events = ["sched:sched_switch", "sched:sched_waking", "sched:sched_stat_wait"];
    expect(filters).toEqual([
      { events: ["irq:*"], filter: "irq == 1" },
      { events, filter: "x" },
    ]);
    expect(triggers).toEqual([
      { events, trigger: "traceoff" },
      { events, trigger: "stacktrace" },
    ]);
  });

  test("names what is no event, and what may have been meant", () => {
    for (const [word, text] of [
      ["sched_swich", 'it has no event "sched_swich"; did you mean sched_switch?'],
      ["sched:sched_swich", 'it has no event "sched:sched_swich"; did you mean sched:sched_switch?'],
      ["irqs", 'it has no event "irqs"; did you mean irq?'],
      ["nothing_like_it", 'it has no event "nothing_like_it"; trace-agent list shows its events'],
      ["foo*", 'it has no event "foo*"; trace-agent list shows its events'],
      ["a:b:c", 'it has no event "a:b:c"; trace-agent list shows its events'],
    ] as const) {
      let told = "";
      try {
        choose({ word });
      } catch (error) {
        told = error instanceof Error && "text" in error ? String(error.text) : "";
      }
      expect(told).toBe(text);
    }
    expect(() => choose({ word: "x" }, { word: "irq" }, { word: "y", exclude: true })).toThrow('no event "x", "y"');
  });

  test("takes names as they are, of whatever there is on an object", () => {
    for (const word of ["constructor", "__proto__", "toString:valueOf"])
      expect(() => choose({ word })).toThrow("no event");
  });
});

test("chooseNames() lists all events, or those of the words, in the kernel's order", () => {
  expect(chooseNames([], known, "it")).toEqual(known.names);
  expect(chooseNames(["power", "irq_handler_exit", "irq_handler_e*"], known, "it")).toEqual([
    "irq:irq_handler_entry",
    "irq:irq_handler_exit",
    "power:sched",
  ]);
});

test("a glob's brackets hold letters, ranges and their opposite", () => {
  for (const [pattern, text, fits] of [
    ["[a-c]x", "bx", true],
    ["[!a-c]x", "bx", false],
    ["[^a-c]x", "dx", true],
    ["[]]", "]", true],
    ["[a-]", "-", true],
    ["*[0-9]", "cpu12", true],
    ["[", "[", true],
    ["[ab", "a", false],
  ] as const)
    expect({ pattern, text, fits: matchesGlob(pattern, text) }).toEqual({ pattern, text, fits });
});
