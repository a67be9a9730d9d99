/** What lies on the disk below a path, by the sizes of its files. */
import { readdirSync, statSync } from "node:fs";
import { errnoOf } from "../../src/base/errors.ts";

export function bytesUnder(path: string): number {
  const status = statSync(path, { throwIfNoEntry: false });
  if (status?.isDirectory() !== true) return status?.size ?? 0;
  return namesIn(path).reduce((sum, name) => sum + bytesUnder(`${path}/${name}`), 0);
}

/** Of a directory that a recorder may take away meanwhile. */
function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}
