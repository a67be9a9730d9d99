/** What the agent needs of the guest's kernel and of its own rights. */
import { machine } from "node:os";
import { SystemError } from "../../ffi/errno.ts";
import { closeFd, O, openFd } from "../../ffi/fd.ts";
import { AgentError } from "../base/errors.ts";
import { tracedCpus } from "../tracefs/cpus.ts";
import { findTracing, tracefsMountPoints } from "../tracefs/tracefs.ts";
import { type Condition, failure, ok, warning } from "./condition.ts";
import { Capability, type MachineView, whyNoAccess } from "./machine-view.ts";

export function rights(view: MachineView): Condition {
  if (view.uid === 0) return ok("rights", "root");
  return failure("rights", `user ${view.uid}, not root`, "run it as root: tracefs and the ports are root's");
}

export function procMounted(view: MachineView): Condition {
  if (view.exists("/proc/self")) return ok("/proc", "mounted");
  return failure("/proc", "not mounted", "mount it with: mount -t proc proc /proc");
}

/** CPU features that the runtime's machine code uses: on x86-64 those of Intel since 2008 and AMD since 2011. */
const processors: Record<string, { line: RegExp; flags: Record<string, string>; remedy: string }> = {
  x86_64: {
    line: /^flags\s*:(.*)$/m,
    flags: { sse4_2: "SSE4.2", popcnt: "POPCNT" },
    remedy: "give the VM a newer CPU model: -cpu host, max, or Nehalem",
  },
  aarch64: {
    line: /^Features\s*:(.*)$/m,
    flags: { crc32: "CRC32" },
    remedy: "give the VM a newer CPU model: -cpu host, or max",
  },
};

export function processor(view: MachineView, architecture: string = machine()): Condition {
  const name = "processor";
  const known = processors[architecture];
  if (known === undefined) return failure(name, architecture, "trace-agent is for x86_64 and aarch64");
  const there = known.line
    .exec(view.read("/proc/cpuinfo") ?? "")?.[1]
    ?.trim()
    .split(" ");
  if (there === undefined)
    return warning(name, "cannot tell: /proc/cpuinfo lists no features", "see that /proc is mounted");
  const missing = Object.entries(known.flags).filter(([flag]) => !there.includes(flag));
  if (missing.length === 0) return ok(name, `${architecture} with ${Object.values(known.flags).join(" and ")}`);
  return failure(name, `${architecture} without ${missing.map(([, title]) => title).join(" and ")}`, known.remedy);
}

export function kernelTracing(view: MachineView): Condition {
  const release = view.read("/proc/sys/kernel/osrelease") ?? "kernel of unknown release";
  if (view.read("/proc/filesystems")?.split("\n").includes("nodev\ttracefs") === true)
    return ok("ftrace", `Linux ${release}`);
  return failure("ftrace", `Linux ${release} has none (CONFIG_TRACING is off)`, "boot a kernel with CONFIG_FTRACE=y");
}

/** Lockdown's level "confidentiality" forbids tracefs (security/lockdown). */
export function lockdown(view: MachineView): Condition {
  const text = view.read("/sys/kernel/security/lockdown");
  const level = /\[(\w+)\]/.exec(text ?? "")?.[1];
  if (level === "confidentiality") {
    return failure("lockdown", "confidentiality: it forbids tracefs", "boot without lockdown=confidentiality");
  }
  return ok("lockdown", level ?? "not in this kernel, or securityfs is not mounted");
}

/** `directory` is where the trace files are, for the conditions that need them. */
export function tracefs(
  view: MachineView,
  options: { tracefs?: string | undefined; instance?: string | undefined },
): { condition: Condition; directory?: string } {
  const name = "tracefs";
  const top =
    options.tracefs ??
    tracefsMountPoints
      .map((path) => `${view.root}${path}`)
      .find((path) => view.isTracefs(path.slice(view.root.length)));
  if (top === undefined) {
    const remedy = view.exists("/sys/kernel")
      ? "mount it with: mount -t tracefs nodev /sys/kernel/tracing"
      : "/sys is not mounted either: mount -t sysfs sysfs /sys, then mount -t tracefs nodev /sys/kernel/tracing";
    return { condition: failure(name, `not mounted on ${tracefsMountPoints.join(" nor ")}`, remedy) };
  }
  let directory: string;
  try {
    directory = findTracing({ tracefs: top, instance: options.instance });
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    return { condition: failure(name, error.message, error.remedy ?? "") };
  }
  const [cpu = 0] = tracedCpus(directory);
  const unread = whyNotOpened(`${directory}/per_cpu/cpu${cpu}/trace_pipe_raw`);
  if (unread !== undefined)
    return { condition: failure(name, `${directory} cannot be read: ${unread}`, "run it as root") };
  const unwritten = whyNoAccess(`${directory}/tracing_on`, "write");
  if (unwritten !== undefined) {
    const remedy =
      unwritten === "EROFS"
        ? "it is mounted read-only: mount -o remount,rw it, or drop ProtectKernelTunables="
        : "run it as root";
    return {
      condition: warning(name, `${directory} cannot be written (${unwritten}): the host can set nothing`, remedy),
      directory,
    };
  }
  return { condition: ok(name, directory), directory };
}

function whyNotOpened(path: string): string | undefined {
  try {
    closeFd(openFd(path, O.RDONLY | O.NONBLOCK));
    return undefined;
  } catch (error) {
    return error instanceof SystemError ? error.code : String(error);
  }
}

/** Without kallsyms' addresses functions appear as numbers. The last line is checked: per-CPU symbols begin at 0. */
export function kernelSymbols(view: MachineView): Condition {
  const name = "kernel symbols";
  const last = view
    .read("/proc/kallsyms")
    ?.split("\n")
    .findLast((line) => !line.includes("["));
  if (last === undefined || last === "")
    return warning(
      name,
      "/proc/kallsyms is empty: functions will show as addresses",
      "boot a kernel with CONFIG_KALLSYMS=y",
    );
  if (!/^0+ /.test(last)) return ok(name, "readable");
  const remedy = view.hasCapability(Capability.syslog)
    ? "sysctl kernel.kptr_restrict=1"
    : "run it with CAP_SYSLOG, or sysctl kernel.kptr_restrict=0";
  return warning(name, "their addresses are hidden: functions will show as addresses", remedy);
}

/** `count` pipes of `bytes`: unprivileged users have limits (pipe(7)). */
export function pipes(view: MachineView, count: number, bytes: number, pageBytes: number): Condition {
  const name = "pipes";
  const wanted = `${count} of ${bytes / 1024} KiB`;
  if (view.hasCapability(Capability.sysResource)) return ok(name, `${wanted}, no limit (CAP_SYS_RESOURCE)`);
  const largest = Number(view.read("/proc/sys/fs/pipe-max-size") ?? Number.NaN);
  if (bytes > largest) {
    return warning(
      name,
      `limited to ${largest / 1024} KiB each, ${bytes / 1024} wanted: slower, nothing is lost`,
      `sysctl fs.pipe-max-size=${bytes}, or run it with CAP_SYS_RESOURCE`,
    );
  }
  const pages = Number(view.read("/proc/sys/fs/pipe-user-pages-soft") ?? 0);
  const needed = count * (bytes / pageBytes);
  if (pages > 0 && needed > pages) {
    return warning(
      name,
      `limited to ${pages} pages in all, ${needed} wanted: some will be small and slower`,
      `sysctl fs.pipe-user-pages-soft=${needed}, or run it with CAP_SYS_RESOURCE`,
    );
  }
  return ok(name, wanted);
}
