/** trace-cmd of this machine with what it loads, for a guest. */
import { realpathSync } from "node:fs";

/** At the same places, and not the links that lead there. */
export function traceCmdFiles(): Record<string, string> {
  const libraries = Bun.spawnSync(["ldd", "/usr/bin/trace-cmd"]).stdout.toString().match(/\/\S+/g) ?? [];
  return Object.fromEntries(["/usr/bin/trace-cmd", ...libraries].map((path) => [path, realpathSync(path)]));
}
