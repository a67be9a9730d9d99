/** What a tracing directory is set to, as text, so that a test sees that nothing of it has changed. */
import { readdirSync, readFileSync } from "node:fs";
import type { Guest } from "./guest-handle.ts";

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

/** What is restored may take a moment longer than a recorder waits, in an emulated guest: the agent has notes of it so long. */
export async function settingsRestored(guest: Guest): Promise<void> {
  await guest.run("until ! ls /run/trace-agent 2>/dev/null | grep -q .; do usleep 200000; done");
}

/**
 * The same of a guest, which keeps it and compares it itself: its serial port takes seconds for it. `systems`: as above. A program per
 * file would cost an emulated guest seconds, too.
 */
export class GuestTracingState {
  readonly #guest: Guest;
  readonly #script: string;
  readonly #file: string;

  private constructor(guest: Guest, systems: readonly string[]) {
    const folders = systems.map((system) => `events/${system}`).join(" ");
    this.#guest = guest;
    this.#file = `/tmp/tracing-state-${crypto.randomUUID()}`;
    this.#script = `cd /sys/kernel/tracing
      grep -H '' ${files.join(" ")} options/* 2>/dev/null
      find ${folders} -name enable -o -name filter -o -name trigger | sort | xargs grep -H ''`;
  }

  /** As it is now. */
  static async of(guest: Guest, systems: readonly string[] = ["."]): Promise<GuestTracingState> {
    const state = new GuestTracingState(guest, systems);
    await guest.run(`(${state.#script}) >${state.#file}; [ -s ${state.#file} ]`);
    return state;
  }

  /** What has changed since, as diff(1) shows it; "" when it is all as it was. */
  async changes(): Promise<string> {
    const command = `(${this.#script}) >/tmp/tracing-state-now; diff ${this.#file} /tmp/tracing-state-now`;
    const { code, stdout, stderr } = await this.#guest.run(command, { mayFail: true });
    if (code > 1 || (code === 1) !== (stdout !== "")) throw new Error(`diff: exit code ${code}\n${stdout}${stderr}`);
    return stdout;
  }
}
