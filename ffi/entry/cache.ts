/** Where the build keeps what it fetched: `TRACE_AGENT_CACHE`, or trace-agent in the user's cache folder. */
import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

export function cacheFolder(name: string): string {
  const base = process.env["TRACE_AGENT_CACHE"] ?? join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "trace-agent");
  const folder = join(base, name);
  mkdirSync(folder, { recursive: true });
  return folder;
}
