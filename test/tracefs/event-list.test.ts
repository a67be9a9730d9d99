import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { matchesGlob } from "../../src/base/glob.ts";
import { anyEvent, availableEvents, resolveEventList } from "../../src/tracefs/event-list.ts";
import { FakeTracefs } from "../support/fake-tracefs.ts";
import { cpuMsOf } from "../support/timing.ts";
import { inQuickForm } from "../support/quick.ts";

const fake = new FakeTracefs();
const known = availableEvents(fake.path);
const any = anyEvent(fake.path);
const ofInstance = anyEvent(`${fake.path}/instances/one`);
fake.remove();
const resolve = (list: string): string => resolveEventList(list, known).words.join(" ");

describe("resolveEventList()", () => {
  test.each([
    "sched",
    "sched_switch",
    "sched:",
    "sched:*",
    ":sched_switch",
    "*:sched_switch",
    "sched:sched_switch",
    "*:*",
    ":",
    "!sched:sched_switch",
  ])("leaves %p as it is: the kernel takes it so", (word) => {
    expect(resolveEventList(word, known)).toEqual({ words: [word], unknown: [] });
  });

  test("makes the kernel's names of what the kernel does not know", () => {
    expect(resolve("*")).toBe("*:*");
    expect(resolve("sched:sched_w*")).toBe("sched:sched_waking");
    expect(resolve("*entry")).toBe("irq:irq_handler_entry");
    expect(resolve("!irq*:*ex?t sched")).toBe("!irq:irq_handler_exit sched");
    expect(resolve("s?hed")).toBe("sched:sched_switch sched:sched_waking");
  });

  test("names the words that match no event, and all of them", () => {
    const list = "sched:sched_swich sched irqs irq:*foo !nosuch a:b:c ftrace:function";
    expect(resolveEventList(list, known).unknown).toEqual([
      "sched:sched_swich",
      "irqs",
      "irq:*foo",
      "!nosuch",
      "a:b:c",
      "ftrace:function",
    ]);
  });

  test("writes an event once, however many patterns match it, and takes no list of thousands of patterns", () => {
    expect(resolve("sched_* s*:* !*_waking *_waking")).toBe(
      "sched:sched_switch sched:sched_waking !sched:sched_waking sched:sched_waking",
    );
    for (const pattern of ["*_* ", "*_waking ", "*nosuch "])
      expect(() => resolveEventList(pattern.repeat(4000), known)).toThrow("more than 64 patterns");
    expect(resolve("sched ".repeat(2000))).toBe("sched");
  });

  test("leaves it to the kernel where nobody says what it has, and for modules to come", () => {
    expect(resolveEventList("what:ever", undefined)).toEqual({ words: ["what:ever"], unknown: [] });
    expect(resolve(":mod:e1000")).toBe(":mod:e1000");
    expect(availableEvents("/nonexistent")).toBeUndefined();
  });
});

test("anyEvent() is one of the kernel's events, also for an instance, and none where nobody says what it has", () => {
  expect(known?.names).toContain(any ?? "");
  expect(ofInstance).toBe(any);
  expect(anyEvent("/nonexistent")).toBeUndefined();
});

describe("matchesGlob()", () => {
  test("says what a regular expression of the same meaning says", () => {
    const letters = fc.constantFrom("a", "b", "*", "?");
    fc.assert(
      fc.property(
        fc.array(letters, { maxLength: 8 }),
        fc.array(fc.constantFrom("a", "b"), { maxLength: 10 }),
        (p, t) => {
          const pattern = p.join("");
          const text = t.join("");
          const same = new RegExp(`^${pattern.replaceAll("*", ".*").replaceAll("?", ".")}$`);
          expect(matchesGlob(pattern, text)).toBe(same.test(text));
        },
      ),
      { numRuns: inQuickForm(1000, 5000) },
    );
  });

  test("takes no time for patterns that cost a regular expression years", () => {
    const ms = cpuMsOf(() => expect(matchesGlob("*a".repeat(5000), `${"a".repeat(4000)}b`)).toBe(false));
    expect(ms).toBeLessThan(5_000);
  });
});
