/** What lies on the disk below a path, by the sizes of its files. */
import { readdirSync, statSync } from "node:fs";

export function bytesUnder(path: string): number {
  const status = statSync(path, { throwIfNoEntry: false });
  if (status?.isDirectory() !== true) return status?.size ?? 0;
  return readdirSync(path).reduce((sum, name) => sum + bytesUnder(`${path}/${name}`), 0);
}
