/** What counts as a failure of check, and so for its exit code. */
import { expect, test } from "bun:test";
import { failure, failures, ok, warning } from "../../src/check/condition.ts";

test("a warning is no failure", () => {
  const failed = failure("c", "not there", "make it");
  expect(failures([ok("a", "there"), warning("b", "small", "enlarge it"), failed])).toEqual([failed]);
  expect(failures([warning("b", "small", "enlarge it")])).toEqual([]);
});
