/** What a file of `record --config` says, beside the options of the command line, which count more. */
import * as v from "valibot";
import { AgentError } from "../base/errors.ts";
import type { TraceConfig } from "../host/run/trace-config.ts";
import { type FlagValues, type OptionUse, unsetValues } from "./command.ts";
import { readWait } from "./live-flags.ts";
import { type ConfigEvents, type ConfigFile, machineTable, type TraceKeys, traceTable } from "./record-config.ts";
import { readWanted, traceFlags } from "./trace-flags.ts";
import { readVcpus } from "./vcpus-flag.ts";

type TraceValues = FlagValues<typeof traceFlags>;

const noTraceValues = unsetValues(traceFlags);
const eventOptions = new Set(["event", "exclude", "filter", "trigger"]);

/** What is traced of a machine, from the command line, its section and the top of the file: the first that says it. */
export function configuredWanted(
  values: TraceValues,
  order: readonly OptionUse[],
  sections: readonly (TraceKeys | undefined)[],
): TraceConfig {
  const said = <K extends keyof TraceKeys>(key: K): TraceKeys[K] =>
    sections.find((section) => section?.[key] !== undefined)?.[key];
  const list = (key: "function" | "no-function" | "graph" | "pid" | "option"): string[] =>
    values[key].length > 0 ? values[key] : (said(key) ?? []);
  const merged = {
    ...values,
    tracer: values.tracer ?? said("tracer"),
    function: list("function"),
    "no-function": list("no-function"),
    graph: list("graph"),
    "max-graph-depth": values["max-graph-depth"] ?? said("max-graph-depth"),
    pid: list("pid"),
    stacktrace: values.stacktrace || said("stacktrace") === true,
    option: list("option"),
    "buffer-size": values["buffer-size"] ?? said("buffer-size"),
    clock: values.clock ?? said("clock"),
  };
  return readWanted(merged, order.some(({ name }) => eventOptions.has(name)) ? order : asOptions(said("event") ?? []));
}

/** The file has no order: what is left out is so wherever it stands. */
function asOptions(events: ConfigEvents): OptionUse[] {
  const tables = (Array.isArray(events) ? events : [events]).map((one) =>
    typeof one === "string" ? { event: one } : one,
  );
  const uses = ({ event, filter, trigger = [] }: (typeof tables)[number]): OptionUse[] => [
    { name: "event", value: event },
    ...(filter === undefined ? [] : [{ name: "filter", value: filter }]),
    ...trigger.map((value) => ({ name: "trigger", value })),
  ];
  const excluded = tables.filter(({ exclude }) => exclude === true);
  return [
    ...tables.filter(({ exclude }) => exclude !== true).flatMap(uses),
    ...(excluded.length === 0 ? [] : [{ name: "exclude", value: undefined }, ...excluded.flatMap(uses)]),
  ];
}

/** What the file says of the whole, as the command has it. */
type WholeValues = Partial<Record<OptionKey, string>> & { on?: string[]; "metrics-per-cpu"?: boolean };

/** Throws a usage error that names the key and its line. `read`: as the command reads its options. */
export function checkConfig(file: ConfigFile, read: (values: WholeValues) => void): void {
  const { config } = file;
  const { rotate, last, on, metrics } = config;
  const cut = { ...(rotate === undefined ? {} : { rotate }), ...(last === undefined ? {} : { last }) };
  for (const key of readAlike) {
    const value = config[key];
    // Others may be for one of these, or exclude it.
    if (value !== undefined)
      asKey(file, key, () => read(key === "rotate" ? { rotate: value } : { ...cut, [key]: value }));
  }
  if (on !== undefined) asKey(file, "on", () => read({ ...cut, on }));
  const silentAfter = config["silent-after"];
  if (silentAfter !== undefined)
    asKey(file, "silent-after", () => read({ ...cut, on: on ?? [], "silent-after": silentAfter }));
  if (config["metrics-per-cpu"] === true)
    asKey(file, "metrics-per-cpu", () =>
      read({ ...(metrics === undefined ? {} : { metrics }), "metrics-per-cpu": true }),
    );
  const { vcpus } = config;
  if (vcpus !== undefined) asKey(file, "vcpus", () => readVcpus(vcpus));
  checkTrace(file, "", config);
  for (const [name, section] of Object.entries(config.machines)) {
    const prefix = `machines.${name}.`;
    if (name.includes("/")) throw file.error(`machines.${name}`, "a name has no slash", 'use dir = "DIRECTORY"');
    if (section.wait !== undefined) asKey(file, `${prefix}wait`, () => readWait(section.wait));
    checkTrace(file, prefix, section);
  }
}

const readAlike = [
  ...(["rotate", "last", "keep", "free", "max", "after", "every"] as const),
  ...([
    "output",
    "group",
    "wait",
    "duration",
    "max-size",
    "delay",
    "format",
    "metrics",
    "max-memory",
    "max-descriptors",
  ] as const),
] as const;
export const optionKeys = [...readAlike, "silent-after"] as const;
export type OptionKey = (typeof optionKeys)[number];

function checkTrace(file: ConfigFile, prefix: string, section: TraceKeys): void {
  for (const [key, value] of Object.entries(v.parse(traceTable, section))) {
    const only = v.parse(machineTable, { [key]: value });
    asKey(file, `${prefix}${key}`, () => configuredWanted(noTraceValues, [], [only]));
  }
}

function asKey(file: ConfigFile, key: string, read: () => void): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof AgentError) || error.kind !== "usage") throw error;
    throw file.error(key, error.message, error.remedy);
  }
}
