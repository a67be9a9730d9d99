/** Finding tracefs, and reading and writing its small files. */
import { closeSync, existsSync, openSync, readdirSync, readFileSync, statfsSync, writeSync } from "node:fs";
import { AgentError, isDenied, messageOf } from "../base/errors.ts";
import { tracefsLimits } from "./limits.ts";

/** Where the kernel mounts tracefs, newest place first (Documentation/trace/ftrace.rst). */
export const tracefsMountPoints = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"] as const;

/** include/uapi/linux/magic.h. */
const TRACEFS_MAGIC = 0x74726163;

/** The tracing directory: of `instance` if given, else the top-level one. Throws what is missing and the remedy. */
export function findTracing(options: { tracefs?: string | undefined; instance?: string | undefined } = {}): string {
  const top = options.tracefs ?? findTracefs();
  requirePerCpu(top);
  if (options.instance === undefined) return top;
  if (!/^[^/\0]{1,255}$/.test(options.instance) || options.instance === "." || options.instance === "..") {
    throw new AgentError("usage", `cannot use instance "${options.instance}": it is a name, not a path`);
  }
  const directory = `${top}/instances/${options.instance}`;
  if (!existsSync(directory)) {
    throw new AgentError("unavailable", `cannot use instance "${options.instance}": ${directory} does not exist`, {
      remedy: `make it with: mkdir ${directory}`,
    });
  }
  requirePerCpu(directory);
  return directory;
}

/** Throws if the tracing directory is gone: an instance can be removed, tracefs unmounted. */
export function requireTracing(directory: string): void {
  if (existsSync(`${directory}/per_cpu`)) return;
  throw new AgentError("unavailable", `cannot trace in "${directory}": it was removed`, {
    remedy: directory.includes("/instances/") ? `make it again: mkdir ${directory}` : "mount tracefs there again",
  });
}

/** Whether `path` is the root or a directory of a mounted tracefs. */
export function isTracefs(path: string): boolean {
  try {
    return statfsSync(path).type === TRACEFS_MAGIC;
  } catch {
    return false;
  }
}

function findTracefs(): string {
  const found = tracefsMountPoints.find((path) => isTracefs(path));
  if (found !== undefined) return found;
  const remedy = "mount it with: mount -t tracefs nodev /sys/kernel/tracing";
  if (!existsSync("/proc/self")) {
    throw new AgentError("unavailable", "cannot find tracefs: /proc is not mounted", {
      remedy: "mount -t proc proc /proc",
    });
  }
  if (!readFileSync("/proc/filesystems", "latin1").includes("\ttracefs\n")) {
    throw new AgentError("unavailable", "cannot find tracefs: this kernel has none (CONFIG_TRACING is off)", {
      remedy: "run a kernel with ftrace",
    });
  }
  if (!existsSync("/sys/kernel")) {
    throw new AgentError("unavailable", "cannot find tracefs: /sys is not mounted", {
      remedy: `mount -t sysfs sysfs /sys, then ${remedy}`,
    });
  }
  throw new AgentError("unavailable", `cannot find tracefs: not mounted on ${tracefsMountPoints.join(" nor ")}`, {
    remedy,
  });
}

function requirePerCpu(directory: string): void {
  let entries: string[];
  try {
    entries = readdirSync(directory);
  } catch (cause) {
    const denied = isDenied(cause);
    throw new AgentError(
      denied ? "permission" : "unavailable",
      `cannot read tracefs "${directory}": ${messageOf(cause)}`,
      {
        remedy: denied ? "run trace-agent as root" : "name the mounted tracefs with --tracefs",
        cause,
      },
    );
  }
  if (!entries.includes("per_cpu")) {
    throw new AgentError("unavailable", `cannot use tracefs "${directory}": it has no per_cpu`, {
      remedy:
        "name the mounted tracefs with --tracefs, or run a kernel with CONFIG_RING_BUFFER and per-CPU trace files",
    });
  }
}

/** The text of a small tracefs file without its last newline. */
export function readTracing(directory: string, name: string): string {
  try {
    return readFileSync(`${directory}/${name}`, "latin1").trimEnd();
  } catch (cause) {
    throw new AgentError("io", `cannot read "${directory}/${name}": ${messageOf(cause)}`, { cause });
  }
}

/**
 * Writes a tracefs file as `echo VALUE > NAME` does: opened with O_TRUNC, which set_event takes as "forget the list"
 * (Bun's writeFileSync calls ftruncate instead, which it does not).
 */
export function writeTracing(directory: string, name: string, value: string): void {
  const path = `${directory}/${name}`;
  try {
    const fd = openSync(path, "w");
    try {
      const bytes = Buffer.from(value === "" ? "" : `${value}\n`, "latin1");
      // set_event accepts one word of a list per write.
      for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    throw new AgentError("io", `cannot write "${value}" to "${path}": ${messageOf(cause)}`, { cause });
  }
}

/** Size of a sub-buffer in bytes: buffer_subbuf_size_kb since Linux 6.8, before that always a page. */
export function subBufferSizeBytes(directory: string): number {
  try {
    const bytes = Number(readFileSync(`${directory}/buffer_subbuf_size_kb`, "latin1")) * 1024;
    if (bytes >= 1024 && bytes <= tracefsLimits.subBufferMaxBytes) return bytes;
  } catch {
    // Older kernels: the page size, from header_page.
  }
  const [, offset, size] =
    /char data;\s*offset:(\d+);\s*size:(\d+);/.exec(readTracing(directory, "events/header_page")) ?? [];
  const bytes = Number(offset) + Number(size);
  if (bytes >= 1024 && bytes <= tracefsLimits.subBufferMaxBytes) return bytes;
  throw new AgentError("unavailable", `cannot read the sub-buffer size from "${directory}/events/header_page"`);
}

/** The current clock: the name in brackets in trace_clock. */
export function currentClock(directory: string): string {
  return /\[([\w-]+)\]/.exec(readTracing(directory, "trace_clock"))?.[1] ?? "unknown";
}

/** The clocks that this kernel has. */
export function availableClocks(directory: string): string[] {
  return readTracing(directory, "trace_clock")
    .split(/\s+/)
    .map((name) => name.replaceAll(/[[\]]/g, ""))
    .filter((name) => name !== "");
}

/** saved_cmdlines of the whole kernel: an instance has none. Empty if it cannot be read. */
export function savedCommands(directory: string): string {
  const [top = directory] = directory.split("/instances/");
  try {
    return readFileSync(`${top}/saved_cmdlines`, "latin1");
  } catch {
    return "";
  }
}

/** Size of the kernel's long: that of `commit` in the sub-buffer header. */
export function longSizeBytes(directory: string): 4 | 8 {
  const [, size] = /commit;\s*offset:\d+;\s*size:(\d+);/.exec(readTracing(directory, "events/header_page")) ?? [];
  return size === "4" ? 4 : 8;
}
