import { expect, spyOn, test } from "bun:test";
import { hostLimits } from "../../../src/host/limits.ts";
import { FinishProgress } from "../../../src/host/run/finish-progress.ts";

test("a file that is written in two seconds shows nothing; a longer one is shown now and then, and cleared", () => {
  const said: string[] = [];
  const beginMs = performance.now();
  const clock = spyOn(performance, "now").mockReturnValue(beginMs);
  const progress = new FinishProgress("x.dat", 1000, { show: (text) => said.push(text), clear: () => said.push("") });
  clock.mockRestore();
  progress.add(100, beginMs + hostLimits.progressAfterMs - 100);
  expect(said).toEqual([]);
  progress.add(400, beginMs + 5_000);
  progress.add(100, beginMs + 5_000 + hostLimits.statusLineMs / 2);
  // What is beside the data counts too: never more than all.
  progress.add(900, beginMs + 7_000);
  progress.clear();
  const line = (rest: string): string => `writing x.dat: ${rest}  (Ctrl-C ends it, the spool stays)`;
  expect(said).toEqual([line("50 %, 5 s"), line("100 %, 7 s"), ""]);
});
