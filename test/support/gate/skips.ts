/**
 * The tests that CI may skip: test/skips, one a line, with the reason. A line is FILE | NAME OF THE TEST | REASON; a name that
 * ends in * stands for all that begin so; empty lines and those that begin with # count for nothing.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { projectFolder } from "../imports.ts";
import type { SkippedTest } from "./test-report.ts";

export type AllowedSkip = { file: string; name: string; reason: string };

export function readAllowedSkips(): AllowedSkip[] {
  return parseSkips(readFileSync(join(projectFolder, "test/skips"), "utf8"));
}

/** Throws an Error at a line that is none: a list that is misread allows anything. */
export function parseSkips(text: string): AllowedSkip[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [file = "", name = "", reason = "", ...more] = line.split(" | ").map((word) => word.trim());
      if (file === "" || name === "" || reason === "" || more.length > 0)
        throw new Error(`test/skips: not FILE | NAME OF THE TEST | REASON: ${line}`);
      return { file, name, reason };
    });
}

/** The skipped tests that the list does not allow. */
export function forbiddenSkips(skipped: readonly SkippedTest[], allowed: readonly AllowedSkip[]): SkippedTest[] {
  const matches = (name: string, pattern: string): boolean =>
    pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
  return skipped.filter(({ file, name }) => !allowed.some((skip) => skip.file === file && matches(name, skip.name)));
}
