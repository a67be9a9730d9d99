/** A small program with what trace-agent is made of: a Worker, libc through bun:ffi, files; it tells what it sees. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { libc } from "../../../../ffi/libc.ts";
import { greet } from "./greet.ts";

export type Report = {
  argv: string[];
  execPath: string;
  url: string;
  environment: Record<string, string | undefined>;
  descriptors: string[];
  maps: string;
  status: string;
  limits: string;
  failedClose: number;
  worker: unknown;
  child: string;
};

function descriptors(): string[] {
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return []; // the descriptor of this very listing, closed by now
    }
  });
}

/** What a child inherits: its descriptors and its environment. */
function child(): string {
  const command = ["/bin/sh", "-c", "ls -l /proc/self/fd; env"];
  return process.argv.includes("--child") ? Bun.spawnSync(command).stdout.toString() : "";
}

const report: Report = {
  argv: process.argv,
  execPath: process.execPath,
  url: import.meta.url,
  environment: process.env,
  descriptors: descriptors(),
  maps: readFileSync("/proc/self/maps", "latin1"),
  status: readFileSync("/proc/self/status", "latin1"),
  limits: readFileSync("/proc/self/limits", "latin1"),
  failedClose: libc.close(-1),
  worker: await greet(),
  child: child(),
};
console.log(JSON.stringify(report));
process.exit(0);
