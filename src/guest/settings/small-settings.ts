/** Settings that are one short value in one file: clock, buffer size, tracing_on, depth of the function graph, tracer. */
import { readFileSync } from "node:fs";
import { AgentError } from "../../base/errors.ts";
import { tracerNames } from "../../protocol/setting-forms.ts";
import { tracedCpus } from "../../tracefs/cpus.ts";
import { availableClocks, currentClock, readTracing, writeTracing } from "../../tracefs/tracefs.ts";
import { type Change, notPutBack, type Place, plainPlace, refusal } from "./place.ts";

export function clockPlace(directory: string): Place {
  return plainPlace({
    id: "clock",
    read: () => currentClock(directory),
    write: (value) => writeTracing(directory, "trace_clock", value),
    accepts: (value) => /^[\w-]{1,32}$/.test(value),
  });
}

export function planClock(directory: string, value: string): Change[] {
  const place = clockPlace(directory);
  if (!place.accepts(value)) throw refusal("clock", value, "not a valid clock");
  const clocks = availableClocks(directory);
  if (!clocks.includes(value)) throw refusal("clock", value, `this kernel has ${clocks.join(", ")}`);
  return [{ place, text: value }];
}

export function tracingOnPlace(directory: string): Place {
  return plainPlace({
    id: "tracing_on",
    read: () => readTracing(directory, "tracing_on"),
    write: (value) => writeTracing(directory, "tracing_on", value),
    accepts: (value) => /^[01]$/.test(value),
  });
}

export function planTracingOn(directory: string, value: string): Change[] {
  const place = tracingOnPlace(directory);
  if (!place.accepts(value)) throw refusal("tracing_on", value, "not a valid tracing_on");
  return [{ place, text: value }];
}

export function bufferSizePlace(directory: string): Place {
  const name = "buffer_size_kb";
  const read = (): string => {
    // "7 (expanded: 1408)" until it is first used; "X" where the CPUs differ.
    const [, size, expanded] = /^(\d+)(?: \(expanded: (\d+)\))?/.exec(readTracing(directory, name)) ?? [];
    const digits = expanded ?? size;
    if (digits === undefined)
      throw new AgentError("unavailable", `cannot set ${name}: the CPUs' buffers differ in size (X)`);
    return digits;
  };
  return {
    id: name,
    read,
    write: (value) => writeTracing(directory, name, value),
    // The buffer is small until somebody sets it: so the text is compared, not the number. Setting it again empties the
    // ring buffer.
    putBack: (value) => {
      if (readTracing(directory, name) !== value) writeTracing(directory, name, value);
      return [];
    },
    accepts: (value) => /^[1-9]\d{0,9}$/.test(value),
  };
}

/** `earlier`: the value that this session found, which is restored whatever memory it takes. */
export function planBufferSize(directory: string, value: string, earlier: string | undefined): Change[] {
  const place = bufferSizePlace(directory);
  if (!place.accepts(value)) throw refusal("buffer_size_kb", value, "not a valid buffer_size_kb");
  if (value !== earlier) requireMemory(directory, value, place.read());
  return [{ place, text: value, always: readTracing(directory, "buffer_size_kb") !== value }];
}

/**
 * The kernel grants a ring buffer all available memory, and the out-of-memory killer then ends the guest's
 * programs.
 */
function requireMemory(directory: string, value: string, now: string): void {
  if (Number(value) <= Number(now)) return;
  const available = availableKb();
  const cpus = tracedCpus(directory).length;
  if (available === undefined || Number(value) * cpus <= available / 2) return;
  throw refusal(
    "buffer_size_kb",
    value,
    `${cpus} CPUs would take more than half of the ${available} kB that are available; at most ${Math.floor(available / 2 / cpus)}`,
  );
}

/** MemAvailable; kernels before 3.14 lack it. */
function availableKb(): number | undefined {
  try {
    const [, digits] = /^MemAvailable:\s*(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "latin1")) ?? [];
    return digits === undefined ? undefined : Number(digits);
  } catch {
    return undefined;
  }
}

export function graphDepthPlace(directory: string): Place {
  return plainPlace({
    id: "graph_depth",
    read: () => readTracing(directory, "max_graph_depth"),
    write: (value) => writeTracing(directory, "max_graph_depth", value),
    accepts: (value) => /^(0|[1-9]\d{0,9})$/.test(value),
  });
}

export function planGraphDepth(directory: string, value: string): Change[] {
  // The kernel's own limit is 50 nested functions (FTRACE_RETFUNC_DEPTH).
  if (!/^(0|[1-9]\d{0,2})$/.test(value)) throw refusal("graph_depth", value, "not a number from 0 to 999");
  return [{ place: graphDepthPlace(directory), text: value }];
}

export function tracerPlace(directory: string): Place {
  const read = (): string => {
    const tracer = readTracing(directory, "current_tracer");
    if (!tracerNames.includes(tracer))
      throw notPutBack("the tracer", `tracer "${tracer}" runs, and what it holds would be lost`);
    return tracer;
  };
  return plainPlace({
    id: "tracer",
    read,
    write: (value) => writeTracing(directory, "current_tracer", value),
    accepts: (value) => tracerNames.includes(value),
  });
}

export function planTracer(directory: string, value: string): Change[] {
  if (!tracerNames.includes(value)) throw refusal("tracer", value, `an order may name ${tracerNames.join(", ")}`);
  const there = readTracing(directory, "available_tracers").split(/\s+/);
  if (!there.includes(value)) throw refusal("tracer", value, `this kernel has ${there.join(", ")}`);
  return [{ place: tracerPlace(directory), text: value }];
}
