/**
 * The CPU time of each group, against the one that is recorded in test/times.json. Machines differ, and a loaded one is slower
 * for all: a group has grown when it has grown against the others. By the time that passed the longest group begins first.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { projectFolder } from "../imports.ts";

export type GroupTime = { name: string; wallSeconds: number; cpuSeconds: number };

/** Seconds of CPU, and those that passed, by the name of the group. */
export type TimeRecord = Record<string, { cpu: number; wall: number }>;

const growthMax = 1.5;
/** Less than this is noise, whatever the ratio. */
const growthSecondsMin = 4;
/** Groups of less say nothing of the machine. */
const yardstickSecondsMin = 3;

const file = join(projectFolder, "test/times.json");

export function readTimes(): TimeRecord {
  return JSON.parse(readFileSync(file, "utf8")) as TimeRecord;
}

/** `others`: groups that did not run, which stay as they are. */
export function writeTimes(times: readonly GroupTime[], others: TimeRecord): void {
  const record = { ...others };
  for (const { name, cpuSeconds, wallSeconds } of times)
    record[name] = { cpu: Math.round(cpuSeconds), wall: Math.round(wallSeconds) };
  const entries = Object.entries(record)
    .map(([name, seconds]) => `  ${JSON.stringify(name)}: ${JSON.stringify(seconds)}`)
    .sort();
  writeFileSync(file, `{\n${entries.join(",\n")}\n}\n`);
}

/** How much slower this machine was than the recorded one, by the median of the groups. */
export function slowness(times: readonly GroupTime[], record: TimeRecord): number {
  const ratios = times
    .filter(({ name }) => (record[name]?.cpu ?? 0) >= yardstickSecondsMin)
    .map(({ name, cpuSeconds }) => cpuSeconds / (record[name]?.cpu ?? 1))
    .sort((a, b) => a - b);
  return ratios[Math.floor(ratios.length / 2)] ?? 1;
}

/** The lines of the table, the longest first, each with a word where the group has grown. */
export function timeTable(times: readonly GroupTime[], record: TimeRecord): string[] {
  const factor = slowness(times, record);
  return times
    .toSorted((a, b) => b.cpuSeconds - a.cpuSeconds)
    .map(({ name, wallSeconds, cpuSeconds }) => {
      const recorded = record[name]?.cpu;
      const expected = recorded === undefined ? undefined : recorded * factor;
      const grew =
        expected !== undefined && cpuSeconds > expected * growthMax && cpuSeconds - expected > growthSecondsMin;
      const note = grew ? `  GREW by more than half: ${expected.toFixed(0)} s would be as recorded` : "";
      return `${wallSeconds.toFixed(0).padStart(5)} s${cpuSeconds.toFixed(0).padStart(6)} s of CPU  ${name}${note}`;
    });
}
