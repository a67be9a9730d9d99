/**
 * Settings in the tracing directory that keep events out of a recording, so that an empty one is explained. They
 * are no failures: somebody may want them.
 */
import { readdirSync } from "node:fs";
import { foreignText } from "../base/foreign-text.ts";
import { counted } from "../base/plural.ts";
import { Findings } from "../guest/control/findings.ts";
import { formatCpuList } from "../tracefs/cpu-list.ts";
import { enabledEventList } from "../tracefs/event-list.ts";
import { readTracing } from "../tracefs/tracefs.ts";
import { type Condition, ok, warning } from "./condition.ts";

/** Words of a list that are shown, so that it fits a line. */
const shownMax = 5;
const shownChars = 200;

/** `cpus`: those that have a ring buffer. */
export function tracingConditions(directory: string, cpus: readonly number[]): Condition[] {
  const { tracingOn, pids, notracePids } = new Findings(directory).now;
  return [
    tracingOn
      ? ok("tracing_on", "1")
      : warning(
          "tracing_on",
          "0: nothing is written into the ring buffer",
          `echo 1 > ${directory}/tracing_on; record does it itself`,
        ),
    ok("events", enabledEvents(directory)),
    filters(directory),
    tasks(directory, pids, notracePids),
    tracedMask(directory, cpus),
  ];
}

function enabledEvents(directory: string): string {
  const list = enabledEventList(directory)
    .split(" ")
    .filter((word) => word !== "");
  return list.length === 0 ? "none enabled; record -e enables them" : `enabled: ${firstOf(list)}`;
}

/** Of all events, enabled or not: record -e enables further ones. */
function filters(directory: string): Condition {
  const name = "filters";
  const found = list(`${directory}/events`).flatMap((system) =>
    list(`${directory}/events/${system}`).flatMap((event) => {
      const text = read(directory, `events/${system}/${event}/filter`);
      return text === "" || text === "none" ? [] : [{ event: `${system}:${event}`, place: `${system}/${event}`, text }];
    }),
  );
  const [first] = found;
  if (first === undefined) return ok(name, "none");
  return warning(
    name,
    `${counted(found.length, "event")} with a filter: ${firstOf(found.map(({ event, text }) => `${event} (${text})`))}`,
    `what does not match is not recorded: echo 0 > ${directory}/events/${first.place}/filter`,
  );
}

function tasks(directory: string, pids: string, notracePids: string): Condition {
  const name = "tasks";
  if (pids !== "")
    return warning(
      name,
      `only events of tasks ${foreignText(pids, shownChars)} (set_event_pid)`,
      `echo > ${directory}/set_event_pid`,
    );
  if (notracePids === "") return ok(name, "all");
  return warning(
    name,
    `no events of tasks ${foreignText(notracePids, shownChars)} (set_event_notrace_pid)`,
    `echo > ${directory}/set_event_notrace_pid`,
  );
}

/** tracing_cpumask: hexadecimal digits, in groups of eight. */
function tracedMask(directory: string, cpus: readonly number[]): Condition {
  const name = "traced CPUs";
  const mask = BigInt(`0x${read(directory, "tracing_cpumask").replaceAll(/[^0-9a-f]/gi, "") || "0"}`);
  const left = cpus.filter((cpu) => ((mask >> BigInt(cpu)) & 1n) === 0n);
  if (left.length === 0 || mask === 0n) return ok(name, "all");
  return warning(
    name,
    `not CPUs ${formatCpuList(left)} (tracing_cpumask)`,
    `echo ${maskOf(cpus)} > ${directory}/tracing_cpumask`,
  );
}

/** In the kernel's form: no bit of a CPU that it does not have, and a comma after each 32 bits. */
function maskOf(cpus: readonly number[]): string {
  const digits = cpus.reduce((mask, cpu) => mask | (1n << BigInt(cpu)), 0n).toString(16);
  return digits.replaceAll(/(?!^)(?=(?:.{8})+$)/g, ",");
}

function firstOf(words: readonly string[]): string {
  const more = words.length > shownMax ? ` and ${words.length - shownMax} more` : "";
  return `${words
    .slice(0, shownMax)
    .map((word) => foreignText(word, shownChars))
    .join(", ")}${more}`;
}

function list(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch {
    return [];
  }
}

/** A kernel that lacks a file has nothing set in it. */
function read(directory: string, name: string): string {
  try {
    return readTracing(directory, name);
  } catch {
    return "";
  }
}
