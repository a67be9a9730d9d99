/** Flags for what is traced, with the letters and meanings of trace-cmd record, and their reading. */
import { AgentError } from "../base/errors.ts";
import { foreignText } from "../base/foreign-text.ts";
import type { TraceConfig } from "../host/run/trace-config.ts";
import { protocolLimits } from "../protocol/limits.ts";
import { functionWord, parseTrigger, tracerNames, triggerWords } from "../protocol/setting-forms.ts";
import { traceOptions } from "../protocol/trace-options.ts";
import type { EventWord } from "../tracefs/event-choice.ts";
import { traceClockNames } from "../tracefs/trace-clocks.ts";
import type { Flags, FlagValues, OptionUse } from "./command.ts";
import { parseSize } from "./size.ts";

const many = { type: "string", multiple: true } as const;

export const traceFlags = {
  event: {
    ...many,
    short: "e",
    valueHint: "EVENT",
    description: 'Event, system or glob to enable, as in "sched", "irq:*" or "sched,irq"; "all"',
  },
  exclude: { type: "boolean", short: "v", description: "Each -e behind it leaves its events out" },
  filter: {
    ...many,
    short: "f",
    valueHint: "FILTER",
    description: 'Filter of the -e before it, as in "prev_pid != 0"',
  },
  trigger: {
    ...many,
    short: "R",
    valueHint: "TRIGGER",
    description: 'Trigger of the -e before it: stacktrace, traceon, traceoff, as in "traceoff:1 if prev_pid == 1"',
  },
  tracer: {
    type: "string",
    short: "p",
    valueHint: "TRACER",
    words: tracerNames,
    description: "nop, function or function_graph",
  },
  function: {
    ...many,
    short: "l",
    valueHint: "NAME",
    description: "Function to which the tracer keeps; * and ? match. No regular expression, which trace-cmd also takes",
  },
  "no-function": { ...many, short: "n", valueHint: "NAME", description: "Function that the tracer leaves out" },
  graph: {
    ...many,
    short: "g",
    valueHint: "NAME",
    description: "Function that function_graph traces with all that it calls",
  },
  "max-graph-depth": { type: "string", valueHint: "DEPTH", description: "How deep function_graph goes; 0: no limit" },
  pid: { ...many, short: "P", valueHint: "PID", description: "Task of which events and functions are traced" },
  children: { type: "boolean", short: "c", description: "With -P: the tasks that it starts, too" },
  stacktrace: { type: "boolean", short: "T", description: "A kernel stack trace at each event" },
  option: {
    ...many,
    short: "O",
    valueHint: "OPTION",
    words: traceOptions.flatMap((name) => [name, `no${name}`]),
    description: 'Trace option that changes what is recorded, as in "nooverwrite" or "userstacktrace"',
  },
  "buffer-size": {
    type: "string",
    short: "b",
    valueHint: "SIZE",
    description: "Size of each CPU's ring buffer in kilobytes, or as in 4M",
  },
  clock: {
    type: "string",
    short: "C",
    valueHint: "CLOCK",
    words: traceClockNames,
    description: "Trace clock of the guest, as in mono or boot",
  },
} as const satisfies Flags;

/** The heading of these options. */
export const traceGroups = { "What is recorded": Object.keys(traceFlags) } as const;

/** `order`: the options as they were given. `before`: events that the command itself wants. */
export function readWanted(
  values: FlagValues<typeof traceFlags>,
  order: readonly OptionUse[],
  before: readonly EventWord[] = [],
): TraceConfig {
  return {
    events: [...before, ...readEvents(order)],
    bufferKb: values["buffer-size"] === undefined ? undefined : readBufferKb(values["buffer-size"]),
    clock: values.clock === undefined ? undefined : readClock(values.clock),
    tracer: values.tracer === undefined ? undefined : readTracer(values.tracer),
    functions: readFunctions(values.function),
    noFunctions: readFunctions(values["no-function"]),
    graphFunctions: readFunctions(values.graph),
    graphDepth: values["max-graph-depth"] === undefined ? undefined : readDepth(values["max-graph-depth"]),
    pids: readPids(values.pid),
    options: [
      ...readOptions(values.option),
      ...(values.stacktrace ? ["stacktrace"] : []),
      ...(values.children && values.pid.length > 0 ? childrenOptions(values.tracer) : []),
    ],
  };
}

/** The kernel adds the tasks that a traced one starts. Functions have an option of their own, where their tracers are built in. */
function childrenOptions(tracer: string | undefined): string[] {
  return tracer === undefined || tracer === "nop" ? ["event-fork"] : ["event-fork", "function-fork"];
}

/** Throws where the option would do nothing. */
export function requireTasks({ children, pid }: Pick<FlagValues<typeof traceFlags>, "children" | "pid">): void {
  if (children && pid.length === 0)
    throw new AgentError("usage", "-c is for -P: without it the events of all tasks are recorded", {
      remedy: "as in -P 1234 -c",
    });
}

/** As trace-cmd reads them: -v counts for every -e behind it, -f and -R for the -e before them. */
function readEvents(order: readonly OptionUse[]): EventWord[] {
  const events: EventWord[] = [];
  let last: EventWord[] = [];
  let exclude = false;
  for (const { name, value = "" } of order) {
    if (name === "exclude") exclude = true;
    else if (name === "event") {
      last = value.split(",").map((word) => ({ word: readEvent(word), exclude }));
      events.push(...last);
    } else if (name === "filter" || name === "trigger") {
      if (last.length === 0)
        throw new AgentError("usage", `--${name} "${foreignText(value)}" has no event`, {
          remedy: "give it behind the -e that it is for",
        });
      for (const event of last) {
        if (name === "trigger") event.triggers = [...(event.triggers ?? []), readTrigger(value)];
        // Two filters of an event both count.
        else
          event.filter =
            event.filter === undefined ? oneLine(name, value) : `(${event.filter}) && (${oneLine(name, value)})`;
      }
    }
  }
  return events;
}

export function readEvent(word: string): string {
  if (/^[\w*?:[\]!^-]+$/.test(word)) return word;
  throw new AgentError("usage", `cannot use event "${foreignText(word)}"`, {
    remedy: "write it as sched, sched:sched_switch or irq:*",
  });
}

/** An order is a line of printable ASCII. */
function oneLine(name: string, text: string): string {
  if (/^[\x20-\x7e]+$/.test(text) && text.length <= protocolLimits.filterChars) return text.trim();
  throw new AgentError("usage", `cannot use ${name} "${foreignText(text, 80)}"`, {
    remedy: `give one line of at most ${protocolLimits.filterChars} printable ASCII characters`,
  });
}

function readTrigger(text: string): string {
  const trigger = parseTrigger(oneLine("trigger", text));
  if (trigger !== undefined) return trigger.text;
  throw new AgentError("usage", `cannot use trigger "${foreignText(text)}"`, {
    remedy: `these are taken, with :COUNT and "if FILTER" behind them: ${triggerWords.join(", ")}`,
  });
}

function readTracer(text: string): string {
  if (tracerNames.includes(text)) return text;
  throw new AgentError("usage", `cannot use tracer "${foreignText(text)}"`, {
    remedy: `use ${tracerNames.join(", ")}`,
  });
}

function readFunctions(names: readonly string[]): string[] {
  const words = names.flatMap((name) => name.split(/[\s,]+/)).filter((word) => word !== "");
  const bad = words.find((word) => !functionWord.test(word));
  if (bad === undefined) return words;
  throw new AgentError("usage", `cannot use function "${foreignText(bad)}"`, {
    remedy: "give names with * and ?, no regular expressions; the kernel's commands behind a colon are not taken",
  });
}

function readDepth(text: string): number {
  if (/^\d{1,3}$/.test(text)) return Number(text);
  throw new AgentError("usage", `cannot read depth "${foreignText(text)}"`, { remedy: "give a number up to 999" });
}

function readPids(lists: readonly string[]): number[] {
  const words = lists.flatMap((list) => list.split(","));
  const bad = words.find((word) => !/^[1-9]\d{0,6}$/.test(word));
  if (bad !== undefined)
    throw new AgentError("usage", `cannot use task "${foreignText(bad)}"`, { remedy: "give its number" });
  const pids = [...new Set(words.map(Number))];
  if (pids.length <= protocolLimits.pids) return pids;
  throw new AgentError("usage", `cannot trace ${pids.length} tasks`, { remedy: `name ${protocolLimits.pids} at most` });
}

function readOptions(words: readonly string[]): string[] {
  const options = words.flatMap((list) => list.split(","));
  const bad = options.find((word) => !traceOptions.includes(word.startsWith("no") ? word.slice(2) : word));
  if (bad === undefined) return options;
  throw new AgentError("usage", `cannot set trace option "${foreignText(bad)}"`, {
    remedy: `these change what is recorded: ${traceOptions.join(", ")}`,
  });
}

/** Kilobytes without a letter, as trace-cmd takes them. */
function readBufferKb(text: string): number {
  const inBytes = /^\d{1,9}[kKmMgG]$/.test(text);
  const kilobytes = inBytes ? Math.ceil(parseSize("buffer size", text) / 1024) : /^\d+$/.test(text) ? Number(text) : 0;
  if (kilobytes > 0 && kilobytes <= 4_294_967_295) return kilobytes;
  throw new AgentError("usage", `cannot read buffer size "${text}"`, {
    remedy: "give kilobytes per CPU, as in 4096, or as in 4M",
  });
}

function readClock(text: string): string {
  if (traceClockNames.includes(text)) return text;
  throw new AgentError("usage", `unknown trace clock "${text}"`, { remedy: `use ${traceClockNames.join(", ")}` });
}
