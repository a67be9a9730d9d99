/** A small program with what trace-agent is made of: a Worker, libc through bun:ffi, files; it tells what it sees. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { libc } from "../../../ffi/libc.ts";
import { greet } from "./greet.ts";

function descriptors(): Record<string, string> {
  const links: Record<string, string> = {};
  for (const fd of readdirSync("/proc/self/fd")) {
    try {
      links[fd] = readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      // the descriptor of this very listing, closed by now
    }
  }
  return links;
}

const reply = await greet();
console.log(
  JSON.stringify({
    argv: process.argv,
    execPath: process.execPath,
    exe: readlinkSync("/proc/self/exe"),
    url: import.meta.url,
    environment: process.env,
    descriptors: descriptors(),
    maps: readFileSync("/proc/self/maps", "latin1").split("\n"),
    status: readFileSync("/proc/self/status", "latin1").split("\n"),
    failedClose: libc.close(-1),
    worker: reply,
  }),
);
process.exit(0);
