/**
 * `status` orders and their replies on a guest's control port, found among the reads and writes that both sides recorded
 * (raw_syscalls), as trace-cmd prints them. An order goes out when the one before was answered, so that exchanges do not overlap.
 */
import { readdirSync, readlinkSync, realpathSync } from "node:fs";
import { hostLimits } from "../../src/host/limits.ts";
import { controlPortName } from "../../src/protocol/ports.ts";
import { traceCmdLines } from "./trace-cmd.ts";

/** Where this machine's `recorder` writes orders and reads replies: its descriptors, as trace-cmd prints them. */
export type ControlFds = { readonly recorder: number; readonly write: string; readonly read: string };

/** Times in seconds. `written`: the order's write began; `replies`: reads that ended before the next order. */
type HostExchange = { written: number; replies: { bytes: number; read: number }[] };
/** `read`: the order's read ended; `written`: its reply's write, of so many bytes, began. */
type GuestExchange = { read: number; written: number; bytes: number };

/** read(2) or write(2). `fd` and `count` are hexadecimal. */
type Call = {
  task: number;
  name: "read" | "write";
  fd: string;
  count: number;
  begin: number;
  end: number;
  result: number;
};

/** Two orders between which a third one was written are so far apart. */
const leastWithLostS = (2 * hostLimits.statusEveryMs) / 1000;
const statusBytes = "status\n".length;
/** x86-64: asm/unistd_64.h. */
const names = { "0": "read", "1": "write" } as const;

/** Of ports that are FIFOs. */
export function controlFds(recorder: number, directory: string): ControlFds {
  const folder = `/proc/${recorder}/fd`;
  const fdOf = (ending: string): string => {
    const path = realpathSync(`${directory}/${controlPortName}${ending}`);
    const fd = readdirSync(folder).find((name) => pathOf(`${folder}/${name}`) === path);
    if (fd === undefined) throw new Error(`process ${recorder} does not have ${path} open`);
    return Number(fd).toString(16);
  };
  return { recorder, write: fdOf(".in"), read: fdOf(".out") };
}

/** Undefined where it was closed meanwhile. */
function pathOf(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch {
    return undefined;
  }
}

/** trace-cmd's lines of these tasks' system calls, and those whose time is before the one above. Of a busy host it prints more than a GiB. */
export async function callLines(
  tasks: readonly number[],
  paths: readonly string[],
): Promise<{ calls: string[]; backwards: string[] }> {
  const isCall = new RegExp(String.raw`-(?:${tasks.join("|")}) +\[\d+\].*: sys_`);
  const [calls, backwards]: [string[], string[]] = [[], []];
  let last = -Infinity;
  for await (const lines of traceCmdLines("report", ...paths.flatMap((path) => ["-i", path]))) {
    for (const line of lines) {
      const [, time] = / (\d+\.\d+): /.exec(line) ?? [];
      if (time === undefined) continue;
      if (Number(time) < last) backwards.push(line);
      last = Number(time);
      if (isCall.test(line)) calls.push(line);
    }
  }
  return { calls, backwards };
}

/** `lines`: of trace-cmd report of several files. `file`: the host's. */
export function hostExchanges(lines: readonly string[], file: string, fds: ControlFds): HostExchange[] {
  const calls = callsIn(lines, file).filter(({ task }) => task === fds.recorder);
  const orders = calls.filter(({ name, fd, count }) => name === "write" && fd === fds.write && count === statusBytes);
  const reads = calls.filter(({ name, fd, result }) => name === "read" && fd === fds.read && result > 0);
  return orders.map(({ begin: written }, index) => {
    const nextWritten = orders[index + 1]?.begin ?? Infinity;
    const own = reads.filter(({ end }) => end > written && end < nextWritten);
    return { written, replies: own.map(({ result: bytes, end: read }) => ({ bytes, read })) };
  });
}

/** Those whose reply's write is there. `agent`: its threads; the control worker reads orders, and main replies, by the same descriptor. */
export function guestExchanges(lines: readonly string[], file: string, agent: readonly number[]): GuestExchange[] {
  const calls = callsIn(lines, file).filter(({ task }) => agent.includes(task));
  const orders = calls.filter(({ name, result }) => name === "read" && result === statusBytes);
  return orders.flatMap(({ task, fd, end: read }, index) => {
    const nextRead = orders[index + 1]?.end ?? Infinity;
    const reply = calls.find(
      (call) =>
        call.name === "write" && call.fd === fd && call.task !== task && call.begin > read && call.end < nextRead,
    );
    // Of a reply that the port took in parts, the host may read parts.
    if (reply === undefined || reply.result !== reply.count) return [];
    return [{ read, written: reply.begin, bytes: reply.result }];
  });
}

/**
 * Kept: the host wrote the order before the guest read it, and read the reply after the guest wrote it; each may be shown the other
 * way round by `boundS`. Reversed: the host waited for nothing then. Unknown: events of the host may be lost there.
 */
export function orderOf(
  guest: GuestExchange,
  host: readonly HostExchange[],
  boundS: number,
): "kept" | "reversed" | "unknown" {
  const isKept = host.some(({ written, replies }) => {
    // Another reply may have come in the same read.
    const reply = replies.find(({ bytes }) => bytes >= guest.bytes);
    return reply !== undefined && written <= guest.read + boundS && guest.written <= reply.read + boundS;
  });
  if (isKept) return "kept";
  const index = host.findLastIndex(({ written }) => written <= guest.read);
  const [before, after] = [host[index], host[index + 1]];
  if (before === undefined || after === undefined || before.replies.length === 0) return "unknown";
  return after.written - before.written < leastWithLostS ? "reversed" : "unknown";
}

/** Those of which begin and end were recorded, in the order of their ends. */
function callsIn(lines: readonly string[], file: string): Call[] {
  const pattern = new RegExp(
    String.raw`^ *${RegExp.escape(file)}: .*-(\d+) +\[\d+\].* (\d+\.\d+): sys_(?:enter: +NR ([01]) \((\w+), \w+, (\w+),|exit: +NR ([01]) = (-?\d+)$)`,
  );
  const begun = new Map<string, Pick<Call, "fd" | "count" | "begin">>();
  return lines.flatMap((line) => {
    const [, task, time, number, fd, count, ended, result] = pattern.exec(line) ?? [];
    if (task === undefined) return [];
    if (number !== undefined && fd !== undefined) {
      begun.set(task, { fd, count: Number.parseInt(count ?? "", 16), begin: Number(time) });
      return [];
    }
    const call = begun.get(task);
    begun.delete(task);
    if (call === undefined) return [];
    const name = ended === "0" ? names["0"] : names["1"];
    return [{ task: Number(task), name, ...call, end: Number(time), result: Number(result) }];
  });
}
