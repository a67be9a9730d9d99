/**
 * `set functions`, `no_functions` and `graph_functions`: which functions are traced. Names, with `*` and `?`, and `!` in front.
 *
 * The kernel's files know commands after a colon (NAME:traceoff, NAME:enable_event:..., :mod:NAME;
 * ftrace_process_regex in kernel/trace/ftrace.c): a word with a colon is refused. Opening a file for writing
 * empties its list before the first word is checked, and a word of digits is an index into the kernel's list: so
 * every word is checked first.
 */
import { AgentError } from "../../base/errors.ts";
import { isGlob, matchesGlob } from "../../base/glob.ts";
import { protocolLimits } from "../../protocol/limits.ts";
import { functionWord } from "../../protocol/setting-forms.ts";
import { tracefsLimits } from "../../tracefs/limits.ts";
import { readTracing, writeTracing } from "../../tracefs/tracefs.ts";
import { guestLimits } from "../limits.ts";
import { type Change, notPutBack, type Place, refusal, shortened } from "./place.ts";

export type FunctionKey = "functions" | "no_functions" | "graph_functions";

export const functionFiles: Record<FunctionKey, string> = {
  functions: "set_ftrace_filter",
  no_functions: "set_ftrace_notrace",
  graph_functions: "set_graph_function",
};

/** A name that was in the list. */
const name = /^[A-Za-z_][\w.$]{0,511}$/;

export function functionPlace(directory: string, key: FunctionKey): Place {
  const write = (value: string): void => writeTracing(directory, functionFiles[key], value);
  return {
    id: key,
    read: () => readFunctions(directory, key).join(" "),
    write,
    // Without a look at what is there: to look every name up takes longer.
    putBack: (value) => {
      write(value);
      return [];
    },
    accepts: (value) => value.split(" ").every((one) => one === "" || name.test(one)),
  };
}

export function planFunctions(directory: string, key: FunctionKey, value: string): Change[] {
  const words = value.split(/ +/).filter((one) => one !== "");
  if (words.length > protocolLimits.functionWords)
    throw refusal(key, value, `more than ${protocolLimits.functionWords} names and patterns`);
  const bad = words.find((one) => !functionWord.test(one));
  if (bad !== undefined)
    throw refusal(key, bad, "not the name of a function; * and ? are taken, and ! in front, but no colon");
  if (words.filter(isGlob).length > tracefsLimits.eventPatternsMax)
    throw refusal(key, value, `more than ${tracefsLimits.eventPatternsMax} patterns`);
  const known = tracedFunctions(directory);
  const unknown = words.filter((one) => !isThere(one.replace("!", ""), known));
  if (unknown.length > 0)
    throw new AgentError("usage", `cannot set ${key}: this kernel has no function "${shortened(unknown.join(" "))}"`);
  if (key === "functions") requireFewForStacks(directory, words, known);
  return [{ place: functionPlace(directory, key), text: words.join(" ") }];
}

/** A stack trace of every function of a kernel locks it up (trace-cmd-record(1), --func-stack). */
function requireFewForStacks(directory: string, words: readonly string[], { list }: Functions): void {
  if (readQuietly(directory, "options/func_stack_trace") !== "1") return;
  const named = words.filter((one) => !one.startsWith("!"));
  const count = list.filter((one) => named.some((pattern) => matchesGlob(pattern, one))).length;
  if (count > 0 && count <= guestLimits.stackFunctions) return;
  throw refusal(
    "functions",
    words.join(" "),
    `option func_stack_trace is set: it needs 1 to ${guestLimits.stackFunctions} functions`,
  );
}

/** Whether the function tracers are limited to named functions, few enough to trace their stacks. */
export function fewFunctionsNamed(directory: string): boolean {
  const count = linesOf(directory, functionFiles.functions).filter((line) => !line.includes(":")).length;
  return count > 0 && count <= guestLimits.stackFunctions;
}

/** The content of the list. Throws if writing the names would not make the same list. */
function readFunctions(directory: string, key: FunctionKey): string[] {
  const lines = linesOf(directory, functionFiles[key]);
  // "NAME:traceoff:unlimited": somebody's commands are not part of the written list, and stay. Entries for modules to
  // come are.
  const names: string[] = [];
  for (const line of lines) {
    if (line.includes(":mod:")) throw notPutBack(key, `it holds "${shortened(line)}"`);
    if (!line.includes(":")) names.push(line.split(/[ \t]/, 1)[0] ?? "");
  }
  const chars = names.reduce((sum, one) => sum + one.length + 1, 0);
  if (chars > guestLimits.functionListChars)
    throw notPutBack(key, `it holds ${names.length} names, more than ${guestLimits.functionListChars} chars`);
  if (names.length === 0) return [];
  // Several functions may have one name, of which the list may hold one.
  const counts = countsOf(names);
  const inAll = countsOf(tracedFunctions(directory).list.filter((one) => counts.has(one)));
  for (const [one, count] of counts) {
    if (!name.test(one) || inAll.get(one) !== count)
      throw notPutBack(key, `its "${shortened(one)}" cannot be named alone`);
  }
  return [...counts.keys()];
}

function linesOf(directory: string, file: string): string[] {
  // "#### all functions enabled ####" stands for none.
  return readTracing(directory, file)
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
}

type Functions = { list: string[]; names: ReadonlySet<string> };

/** Of the whole kernel: an instance has no list of its own. */
function tracedFunctions(directory: string): Functions {
  const [top = directory] = directory.split("/instances/");
  const list = readTracing(top, "available_filter_functions")
    .split("\n")
    .map((line) => line.split(/[ \t]/, 1)[0] ?? "");
  return { list, names: new Set(list) };
}

function isThere(pattern: string, { list, names }: Functions): boolean {
  return isGlob(pattern) ? list.some((one) => matchesGlob(pattern, one)) : names.has(pattern);
}

function countsOf(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const one of names) counts.set(one, (counts.get(one) ?? 0) + 1);
  return counts;
}

function readQuietly(directory: string, file: string): string {
  try {
    return readTracing(directory, file);
  } catch {
    return "";
  }
}
