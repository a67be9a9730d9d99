/** A directory that was made for files that did not come to be. */
import { rmdirSync } from "node:fs";

export function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // It holds files, is none, or does not exist.
  }
}
