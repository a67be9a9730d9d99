/** `set pids`: tasks whose events and functions are recorded. */
import { protocolLimits } from "../../protocol/limits.ts";
import { readTracing, writeTracing } from "../../tracefs/tracefs.ts";
import { guestLimits } from "../limits.ts";
import { type Change, notPutBack, type Place, plainPlace, refusal } from "./place.ts";

const files = { event_pids: "set_event_pid", function_pids: "set_ftrace_pid" } as const;
export type PidPlace = keyof typeof files;
/** include/linux/threads.h: PID_MAX_LIMIT. */
const pidMax = 4_194_304;

export function pidPlace(directory: string, id: PidPlace): Place {
  const read = (): string => {
    // "no pid" means none.
    const pids = (readTracing(directory, files[id]).match(/\d+/g) ?? []).join(" ");
    if (pids.length > guestLimits.functionListChars) throw notPutBack(files[id], "it holds too many tasks");
    return pids;
  };
  return plainPlace({
    id,
    read,
    write: (value) => writeTracing(directory, files[id], value),
    accepts: (value) => /^(\d{1,10}( |$))*$/.test(value),
  });
}

export function planPids(directory: string, value: string): Change[] {
  const words = [...new Set(value.split(/ +/).filter((word) => word !== ""))];
  if (words.length > protocolLimits.pids) throw refusal("pids", value, `more than ${protocolLimits.pids} tasks`);
  const bad = words.find((word) => !/^[1-9]\d{0,6}$/.test(word) || Number(word) > pidMax);
  if (bad !== undefined) throw refusal("pids", bad, "not the number of a task");
  const text = words.toSorted((a, b) => Number(a) - Number(b)).join(" ");
  const changes = [{ place: pidPlace(directory, "event_pids"), text }];
  const functions = { place: pidPlace(directory, "function_pids"), text };
  return hasFunctionPids(directory) ? [...changes, functions] : changes;
}

/** A kernel without a function tracer has no such file, or does not let it be opened. */
function hasFunctionPids(directory: string): boolean {
  try {
    readTracing(directory, files.function_pids);
    return true;
  } catch {
    return false;
  }
}
