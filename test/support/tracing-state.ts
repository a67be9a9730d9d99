/** What a tracing directory is set to, as text, so that a test sees that nothing of it has changed. */
import { readdirSync, readFileSync } from "node:fs";

const files = [
  "set_event",
  "set_event_pid",
  "set_event_notrace_pid",
  "set_ftrace_pid",
  "set_ftrace_filter",
  "set_ftrace_notrace",
  "set_graph_function",
  "set_graph_notrace",
  "max_graph_depth",
  "current_tracer",
  "tracing_on",
  "trace_clock",
  "buffer_size_kb",
  "error_log",
];
const ofEvents = ["enable", "filter", "trigger"];

/** All of it, of the events of `systems` or of every event; `NAME: TEXT` for each file. Of files that the kernel lacks, or lets nobody read, the reason. */
export function tracingState(directory: string, systems: readonly string[] = ["."]): string {
  const names = [...files];
  for (const option of readdirSync(`${directory}/options`)) names.push(`options/${option}`);
  for (const system of systems) {
    for (const file of readdirSync(`${directory}/events/${system}`, { recursive: true, encoding: "utf8" }))
      if (ofEvents.some((name) => file.endsWith(`/${name}`))) names.push(`events/${system}/${file}`);
  }
  return names
    .sort()
    .map((name) => `${name}: ${read(`${directory}/${name}`)}`)
    .join("\n");
}

function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    return `(${error instanceof Error && "code" in error ? String(error.code) : "unreadable"})\n`;
  }
}

/** The same as shell text for a guest: of the events of `systems`, or of all. A program per file would cost an emulated guest seconds. */
export function tracingStateScript(systems: readonly string[] = ["."]): string {
  const folders = systems.map((system) => `events/${system}`).join(" ");
  return `cd /sys/kernel/tracing
    grep -H '' ${files.join(" ")} options/* 2>/dev/null
    find ${folders} -name enable -o -name filter -o -name trigger | sort | xargs grep -H ''`;
}
