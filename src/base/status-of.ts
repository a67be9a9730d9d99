/** What a path leads to; undefined where nothing is there, or where that cannot be told (a loop of links): who opens it says why. */
import { type Stats, statSync } from "node:fs";

export function statusOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}
