/**
 * `trace-agent record --config FILE`: a recording of several machines as a file describes it, for a service. Keys have the names of
 * the options, and are read as these are; what the command line says counts more.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import * as v from "valibot";
import { parseBoundedJson } from "../base/bounded-json.ts";
import { AgentError, isDenied, messageOf } from "../base/errors.ts";
import { foreignText } from "../base/foreign-text.ts";
import { closest } from "../base/suggest.ts";
import { lineOfFault, lineOfKey } from "./config-lines.ts";
import { cliLimits } from "./limits.ts";

/** Numbers are taken as the option takes their digits. */
const amount = v.pipe(
  v.union([v.number(), v.string()]),
  v.transform((value) => `${value}`),
);
const flag = v.boolean();
const words = v.pipe(
  v.union([amount, v.array(amount)]),
  v.transform((value) => (typeof value === "string" ? [value] : value)),
);

/** One -e, as a word or with what counts for it. */
const eventTable = v.strictObject({
  event: v.string(),
  exclude: v.optional(flag),
  filter: v.optional(v.string()),
  trigger: v.optional(words),
});
const event = v.union([v.string(), eventTable]);

const traceKeys = {
  event: v.optional(v.union([event, v.array(event)])),
  tracer: v.optional(v.string()),
  function: v.optional(words),
  "no-function": v.optional(words),
  graph: v.optional(words),
  "max-graph-depth": v.optional(amount),
  pid: v.optional(words),
  stacktrace: v.optional(flag),
  option: v.optional(words),
  "buffer-size": v.optional(amount),
  clock: v.optional(v.string()),
};
const machineKeys = { dir: v.optional(v.string()), wait: v.optional(amount), ...traceKeys };
const recordKeys = {
  output: v.optional(v.string()),
  group: v.optional(amount),
  host: v.optional(flag),
  all: v.optional(flag),
  join: v.optional(flag),
  duration: v.optional(amount),
  "max-size": v.optional(amount),
  delay: v.optional(amount),
  past: v.optional(flag),
  format: v.optional(v.string()),
  metrics: v.optional(v.string()),
  "metrics-per-cpu": v.optional(flag),
  "max-memory": v.optional(amount),
  "max-descriptors": v.optional(amount),
  rotate: v.optional(amount),
  keep: v.optional(amount),
  free: v.optional(amount),
  last: v.optional(amount),
  max: v.optional(amount),
  after: v.optional(amount),
  every: v.optional(amount),
  on: v.optional(words),
  "silent-after": v.optional(amount),
  "no-filter": v.optional(flag),
  vcpus: v.optional(words),
  wait: v.optional(amount),
  ...traceKeys,
};
export const machineTable = v.strictObject(machineKeys);
const recordTable = v.strictObject({ ...recordKeys, machines: v.optional(v.record(v.string(), machineTable), {}) });

export type RecordConfig = v.InferOutput<typeof recordTable>;
/** What is said of one machine, or at the top of all. */
export type TraceKeys = Pick<v.InferOutput<typeof machineTable>, keyof typeof traceKeys>;
export type ConfigEvents = NonNullable<TraceKeys["event"]>;
export const traceTable = v.object(traceKeys);

/** A file that was read. `error`: that names the key, and its line. */
export type ConfigFile = {
  config: RecordConfig;
  error: (key: string, message: string, remedy?: string) => AgentError;
};

/** Throws an AgentError that names the line. What values mean is for the options to say. */
export function readRecordConfig(path: string): ConfigFile {
  const text = readText(path);
  const parse = path.endsWith(".json") ? parseJson : parseToml;
  let value: unknown;
  try {
    value = parse(text);
  } catch (cause) {
    const message = messageOf(cause).replace(/^(?:TOML|JSON) Parse error: /, "");
    const form = path.endsWith(".json") ? "JSON" : "TOML";
    const line = lineOfFault(text, parse, cause);
    throw new AgentError("usage", `cannot read "${path}" as ${form}: line ${line}: ${message}`, {
      ...(form === "TOML" ? { remedy: "a file in JSON has a name that ends with .json" } : {}),
      cause,
    });
  }
  const error: ConfigFile["error"] = (key, message, remedy) => {
    const line = lineOfKey(text, parse, key);
    const place = `${line === undefined ? "" : `line ${line}: `}"${foreignText(key, 80)}"`;
    return new AgentError(
      "usage",
      `cannot use "${path}": ${place}: ${message}`,
      remedy === undefined ? {} : { remedy },
    );
  };
  const parsed = v.safeParse(recordTable, value);
  if (parsed.success) return { config: parsed.output, error };
  const { issue, key } = innermost(parsed.issues[0], "");
  throw error(key, ...whatIsWrong(issue, key));
}

type Issue = v.BaseIssue<unknown>;

/** Of the forms that a value may have, what is wrong in the one that it nearly has. Inner issues have paths of their own. */
function innermost(issue: Issue, above: string): { issue: Issue; key: string } {
  const own = v.getDotPath(issue) ?? "";
  const key = above === "" || own === "" ? above + own : `${above}.${own}`;
  const inner = issue.issues?.find(({ path }) => path !== undefined && path.length > 0);
  return inner === undefined ? { issue, key } : innermost(inner, key);
}

function whatIsWrong(issue: Issue, key: string): [message: string, remedy?: string] {
  const last = key.slice(key.lastIndexOf(".") + 1);
  if (issue.type !== "strict_object" || issue.expected !== "never")
    return [issue.message.replace(/^Invalid type: /, "")];
  const known = Object.keys(key.startsWith("machines.") ? machineKeys : { ...recordKeys, machines: 0 });
  const near = closest(last, [...known, ...Object.keys(eventTable.entries)]);
  return ["unknown key", near === undefined ? `known are ${known.join(", ")}` : `did you mean ${near}?`];
}

function readText(path: string): string {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    try {
      const status = fstatSync(fd);
      if (!status.isFile()) throw new Error("it is no regular file");
      if (status.size > cliLimits.configBytes) throw new Error(`it is larger than ${cliLimits.configBytes} bytes`);
      return readFileSync(fd, "utf8");
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    throw new AgentError(isDenied(cause) ? "permission" : "io", `cannot read "${path}": ${messageOf(cause)}`, {
      cause,
    });
  }
}

const parseToml = (text: string): unknown => Bun.TOML.parse(text);
const parseJson = (text: string): unknown => parseBoundedJson(text, cliLimits.configJson);
