/**
 * A command while it is recorded, and what signals do to both: the first goes to the command and the recording ends with it; the second
 * ends the recording and the command; the third waits for neither.
 */
import { existsSync, readFileSync } from "node:fs";
import { AgentError, errnoOf } from "../../base/errors.ts";
import { writeTracing } from "../../tracefs/tracefs.ts";
import { endSignals } from "../../base/end-signals.ts";
import type { RecordedCommand } from "../run/run-record.ts";
import { StopSignals, type StopAsked } from "../run/stop-signals.ts";
import type { Command } from "./command.ts";

/** A key of the terminal sends these to all processes of its foreground. */
const keySignals: ReadonlySet<NodeJS.Signals> = new Set(["SIGINT", "SIGQUIT"]);

export class CommandRun implements RecordedCommand {
  readonly #command: Command;
  readonly #stop = new StopSignals({ listen: false });
  #count = 0;
  readonly #listeners = [...endSignals(), "SIGQUIT" as const].map((name) => {
    const listener = (): void => this.#take(name);
    process.on(name, listener);
    return { name, listener };
  });

  constructor(command: Command) {
    this.#command = command;
    void command.ended().then(() => {
      if (this.stopAsked() === "no") this.#stop.ask();
    });
  }

  readonly recording = (): void => this.#command.start();

  readonly stopAsked = (): StopAsked => this.#stop.asked;

  close(): void {
    for (const { name, listener } of this.#listeners) process.off(name, listener);
  }

  #take(signal: NodeJS.Signals): void {
    this.#count++;
    if (this.#count === 1) {
      // The terminal has given it to the command as well: a second one of ours would be taken for impatience.
      if (!keySignals.has(signal) || !isInForeground()) this.#command.kill(signal);
      return;
    }
    this.#stop.ask();
    this.#command.kill(this.#count === 2 ? "SIGTERM" : "SIGKILL");
  }
}

/** Whether the terminal's keys reach this process: its group is the terminal's foreground (proc(5): fields 5, 7 and 8). */
function isInForeground(): boolean {
  const stat = readFileSync("/proc/self/stat", "latin1");
  const [, , group, , terminal, foreground] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return terminal !== "0" && group === foreground;
}

/** Records this task alone, and with `children` those that it makes, in an instance of its own that is removed afterwards. */
export function traceOnly(instance: string, pid: number, children: boolean): void {
  const set = (name: string, value: string): void => {
    if (existsSync(`${instance}/${name}`)) writeTracing(instance, name, value);
  };
  if (children) {
    set("options/event-fork", "1");
    set("options/function-fork", "1");
  }
  set("set_event_pid", `${pid}`);
  try {
    set("set_ftrace_pid", `${pid}`);
  } catch (error) {
    // A kernel whose function tracing is off refuses the file, and the function tracers with it.
    if (!(error instanceof AgentError) || errnoOf(error.cause) !== "EPERM") throw error;
  }
}
