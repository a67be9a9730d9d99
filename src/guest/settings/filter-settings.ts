/** `set filter EVENT,... FILTER`: which occurrences of an event are recorded; "none" removes the filter. */
import { protocolLimits } from "../../protocol/limits.ts";
import { readTracing } from "../../tracefs/tracefs.ts";
import { fileOf, filteredTargets, isGone, readTargets, writeEventFile } from "./event-targets.ts";
import { type Change, notPutBack, type Place, refusal } from "./place.ts";

const none = "none";

/** `name`: "system:event". */
export function filterPlace(directory: string, name: string): Place {
  const file = fileOf(name, "filter");
  const read = (): string => {
    const text = readTracing(directory, file);
    // After a refused filter the kernel shows an error below it, and it has no effect.
    if (text.includes("\n")) throw notPutBack(`the filter of ${name}`, "it holds an error of the kernel");
    return text;
  };
  const write = (value: string): void => writeEventFile(directory, file, value === none ? "0" : value);
  return {
    id: `filter ${name}`,
    read,
    write,
    putBack: (value) => {
      if (isGone(directory, name)) return [];
      // The file holds the kernel's error message instead of a filter.
      if (readTracing(directory, file) !== value) write(value);
      return [];
    },
    accepts: (value) => /^[\x20-\x7e]{1,4096}$/.test(value),
  };
}

export function planFilter(directory: string, value: string): Change[] {
  const { targets, rest } = readTargets(directory, "filter", value);
  if (rest.length > protocolLimits.filterChars)
    throw refusal("filter", rest, `longer than ${protocolLimits.filterChars} chars`);
  const filtered = rest === none ? targets : filteredTargets(directory, "filter", targets, rest);
  return filtered.map(({ name }) => ({ place: filterPlace(directory, name), text: rest }));
}
