/** Filters that are wrong: what is said of them, and that none takes long. */
import { describe, expect, test } from "bun:test";
import { AgentError } from "../../src/base/errors.ts";
import { fixturePath } from "../fixtures/fixtures.ts";
import { basicPattern } from "../../src/timeline/filter/pattern.ts";
import { ourReport } from "../support/trace-cmd-report.ts";

function refusal(filter: string): string {
  try {
    ourReport(fixturePath("linux-6.12"), { filters: [filter] });
  } catch (error) {
    if (error instanceof AgentError && error.kind === "usage") return error.text;
    throw error;
  }
  return "taken";
}

describe("a filter that is refused", () => {
  test.each([
    ["sched_swich", 'no format of event "sched_swich"; did you mean sched_switch?'],
    ["sched:sched_swich: a == 1", 'no format of event "sched:sched_swich"; did you mean sched:sched_switch?'],
    ["sched_switch: next_pidd == 1", 'event sched:sched_switch has no field "next_pidd"; did you mean next_pid?'],
    ["sched_switch,sched_waking: foo == 1", 'event sched:sched_switch, sched:sched_waking has no field "foo"; it has'],
    ["sched_switch: next_comm == 1", 'field "next_comm" of event sched:sched_switch is a text'],
    ["sched_switch: COMM == 1", 'field "COMM" of event sched:sched_switch is a text'],
    ['sched_switch: CPU == "x"', 'field "CPU" of event sched:sched_switch is a number'],
    ["sched_switch: next_pid == 1 || prev_pid == 2 && prev_pid == 3", "put parentheses around what comes first"],
    ["sched_switch: next_pid", 'no format of event "sched_switch:next_pid"'],
    ["sched_switch: (next_pid", 'it ends where a comparison after "next_pid" is expected'],
    ["sched_switch: next_pid == 1 &&", "it ends where a field is expected"],
    ["*: no_such_field == 1 || common_pid == 0", 'has no field "no_such_field"'],
    ["sched_switch: next_pid == ", "it ends where a value after"],
    ["sched_switch: (next_pid == 1", 'it ends where ")" is expected'],
    ["sched_switch: next_pid == 1)", '")" is not expected there'],
    ["sched_switch: next_pid == 1 next_pid == 2", '"next_pid" is not expected there'],
    ['sched_switch: next_comm < "a"', "< does not compare texts"],
    ["sched_switch: next_comm =~ 5", "=~ compares with a text in quotes"],
    ['sched_switch: next_comm =~ "["', "is no regular expression"],
    ['sched_switch: next_comm =~ "\\(a*\\)*"', "is no regular expression"],
    ["sched_switch: next_pid + 1 + 2", '"+" after an arithmetic: one operator is taken'],
    ["sched_switch: next_pid + ", 'it ends where a value after "+" is expected'],
    ["sched_switch: next_pid == + 2", '"+" after == is no value'],
    ["sched_switch: next_comm + 1", 'field "next_comm" of event sched:sched_switch is a text'],
    ["sched_switch: next_pid + COMM", 'field "COMM" of event sched:sched_switch is a text'],
    ["sched_switch: next_pid % next_pidd", 'no field "next_pidd"; did you mean next_pid?'],
    ['sched_switch: next_pid + 1 == "x"', "only a field is compared with a text"],
    ["sched_switch: ! next_pid", 'it ends where a comparison after "next_pid" is expected'],
    ["sched_switch: ~ next_pid", '"~" is no field'],
    ["sched_switch: next_pid == 1;rm", '";rm" is not understood'],
    [": next_pid == 1", '"" is no event'],
    ["", '"" is no event'],
    ["sched switch", '"sched switch" is no event'],
    [`sched_switch: ${"(".repeat(40)}`, "lie in each other"],
    [`sched_switch: ${"!".repeat(40)}a`, "lie in each other"],
    [`sched_switch: ${"next_pid == 1 && ".repeat(200)}next_pid == 1`, "words and signs"],
    ["x".repeat(5_000), "characters"],
  ])("says of %p: %p", (filter, said) => {
    expect(refusal(filter)).toContain(said);
  });

  test("is one of a recording's events, not of one that has none of the fields", () => {
    // sched_waking has no next_pid: false there, and no error, since sched_switch has it.
    expect(refusal("sched_switch,sched_waking: next_pid == 11")).toBe("taken");
  });
});

describe("basicPattern()", () => {
  test.each([
    ["a.c", ["abc", "xAbCx"], ["ac"]],
    ["^a*$", ["", "aaa"], ["b"]],
    ["*a", ["*a"], ["a"]],
    ["a+b?(c)|{d}", ["a+b?(c)|{d}"], ["aab"]],
    ["\\(a\\|b\\)c", ["ac", "bc"], ["c"]],
    ["a\\{2,3\\}", ["aa"], ["a"]],
    ["[]x]", ["]", "x"], ["y"]],
    ["[^a-c]", ["d"], ["abc"]],
    ["[[:digit:]]\\+$", ["a12"], ["12a"]],
    ["a\\.b", ["a.b"], ["axb"]],
    ["[a\\]", ["\\"], ["b"]],
  ])("%s matches as regcomp(3) has it", (source, matching, others) => {
    const pattern = basicPattern(source);
    expect(matching.filter((text) => pattern?.test(text) !== true)).toEqual([]);
    expect(others.filter((text) => pattern?.test(text) !== false)).toEqual([]);
  });

  test("takes none that could take time without bound", () => {
    for (const source of [
      "\\(a*\\)*",
      "\\(a\\|a\\)*",
      "\\(\\(a\\+\\)\\)\\{2,\\}",
      "a*a*a*a*a*",
      "\\1",
      "a".repeat(300),
    ])
      expect(basicPattern(source)).toBeUndefined();
  });
});
