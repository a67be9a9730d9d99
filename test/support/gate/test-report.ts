/** Reads what `bun test` printed: how many tests passed, and the words of those that failed. */
import type { LimitedRun } from "./run-limited.ts";

export type SkippedTest = { file: string; name: string };
export type TestReport = {
  passed: number;
  failed: number;
  skipped: number;
  failures: string[];
  skippedTests: SkippedTest[];
};

/** Of one failure so many lines are repeated. */
const failureLinesMax = 60;

/**
 * A process that crashed, hung or failed outside of its tests counts as one failure more. Counts are taken of standard error alone:
 * what tests print on standard output may come at any moment beside it.
 */
export function reportOf(run: LimitedRun): TestReport {
  const summary = summaryIn(run.errors);
  const count = (word: string): number => Number(new RegExp(`^ (\\d+) ${word}$`, "m").exec(summary ?? "")?.[1] ?? 0);
  if (summary === undefined) {
    const lines = run.output.trimEnd().split("\n");
    const why = run.timedOut ? "killed: over its time limit" : `ended with code ${run.exitCode} before its end`;
    const passed = lines.filter((line) => line.startsWith("(pass)")).length;
    const failures = [`${lines.slice(-failureLinesMax).join("\n")}\n${why}`];
    return { passed, failed: 1, skipped: 0, failures, skippedTests: [] };
  }
  // After many tests Bun repeats the names of those that failed and of those that were skipped.
  const [told = ""] = run.output.split(/^\d+ tests? (?:failed|skipped|todo):$/m);
  const report = {
    passed: count("pass"),
    failed: count("fail"),
    skipped: count("skip") + count("todo"),
    failures: failuresIn(told),
    skippedTests: skipsIn(told),
  };
  if (run.exitCode !== 0 && report.failed === 0) {
    report.failed = 1;
    report.failures.push(`exit code ${run.exitCode} though no test failed`);
  }
  return report;
}

/** The last lines of `bun test`, from " N pass" to "Ran N tests"; undefined where it did not come so far. */
function summaryIn(errors: string): string | undefined {
  return [...errors.matchAll(/^ \d+ pass\n(?:.*\n)*?Ran \d+ tests? across/gm)].at(-1)?.[0];
}

/** Bun prints the name of a file before its tests. */
function skipsIn(output: string): SkippedTest[] {
  const skips: SkippedTest[] = [];
  let file = "";
  for (const line of output.split("\n")) {
    file = /^(\S+\.test\.ts):$/.exec(line)?.[1] ?? file;
    const [, name] = /^\((?:skip|todo)\) (.*)$/.exec(line) ?? [];
    if (name !== undefined) skips.push({ file, name });
  }
  return skips;
}

/** Bun prints the error of a test before its "(fail) name" line, and what fails outside of tests between rulers. */
function failuresIn(output: string): string[] {
  const failures: string[] = [];
  let lines: string[] = [];
  for (const line of output.split("\n")) {
    if (/^\((pass|skip|todo)\)/.test(line)) lines = [];
    else lines.push(line);
    if (!line.startsWith("(fail)")) continue;
    failures.push(lines.slice(-failureLinesMax).join("\n").trim());
    lines = [];
  }
  const outside = /# Unhandled error[^]*?\n-{5,}\n[^]*?\n-{5,}/.exec(output)?.[0];
  if (outside !== undefined) failures.push(outside.split("\n").slice(0, failureLinesMax).join("\n"));
  return failures;
}
