/**
 * What `set KEY VALUE` may change of the tracing directory: four files, no more. Before the first change of a key its value
 * is kept, and put back when the agent ends.
 */
import { readdirSync } from "node:fs";
import { AgentError } from "../errors.ts";
import { currentClock, readTracing, writeTracing } from "../kernel/tracefs.ts";
import type { SettableKey } from "../protocol/orders.ts";

const files: Record<SettableKey, string> = {
  events: "set_event",
  buffer_size_kb: "buffer_size_kb",
  clock: "trace_clock",
  tracing_on: "tracing_on",
};

/** What a value may look like; the kernel says whether it is one. */
const shapes: Record<SettableKey, RegExp> = {
  events: /^(?:!?[\w*?:[\]-]+(?: +|$))*$/,
  buffer_size_kb: /^[1-9]\d{0,9}$/,
  clock: /^[\w-]{1,32}$/,
  tracing_on: /^[01]$/,
};

export class Settings {
  readonly #directory: string;
  readonly #before = new Map<SettableKey, string>();

  constructor(tracingDirectory: string) {
    this.#directory = tracingDirectory;
  }

  /** Sets `key` and returns the value that it had, in a form that `set` takes. */
  set(key: SettableKey, value: string): string {
    if (!shapes[key].test(value)) {
      throw new AgentError("usage", `cannot set ${key} to "${value}": not of the form of a ${key}`);
    }
    const previous = this.#read(key);
    writeTracing(this.#directory, files[key], value);
    if (!this.#before.has(key)) this.#before.set(key, previous);
    if (this.#before.get(key) === value) this.#before.delete(key);
    return previous;
  }

  /** Puts back what is changed still; returns what could not be. */
  restore(): string[] {
    const failures: string[] = [];
    for (const [key, value] of this.#before) {
      try {
        writeTracing(this.#directory, files[key], value);
      } catch (error) {
        failures.push(error instanceof Error ? error.message : String(error));
      }
    }
    this.#before.clear();
    return failures;
  }

  #read(key: SettableKey): string {
    switch (key) {
      case "events":
        return enabledEvents(this.#directory);
      case "clock":
        return currentClock(this.#directory);
      case "buffer_size_kb": {
        // "7 (expanded: 1408)" until it is first used; "X" where the CPUs differ.
        const text = readTracing(this.#directory, files[key]);
        const [, size, expanded] = /^(\d+)(?: \(expanded: (\d+)\))?/.exec(text) ?? [];
        const digits = expanded ?? size;
        if (digits === undefined) {
          throw new AgentError("unavailable", "cannot set buffer_size_kb: the CPUs' buffers differ in size (X)");
        }
        return digits;
      }
      case "tracing_on":
        return readTracing(this.#directory, files[key]);
    }
  }
}

/** The enabled events in the shortest form that set_event takes: "*:*", whole systems, single events. */
export function enabledEvents(directory: string): string {
  if (readTracing(directory, "events/enable") === "1") return "*:*";
  const single = readTracing(directory, "set_event").split("\n").filter((event) => event !== "");
  const systems = new Set(single.map((event) => event.slice(0, event.indexOf(":"))));
  const whole = new Set([...systems].filter((system) => isWhole(directory, system)));
  const rest = single.filter((event) => !whole.has(event.slice(0, event.indexOf(":"))));
  return [...[...whole].map((system) => `${system}:*`), ...rest].join(" ");
}

function isWhole(directory: string, system: string): boolean {
  return readdirSync(`${directory}/events`).includes(system) && readTracing(directory, `events/${system}/enable`) === "1";
}
