/**
 * The threads of this machine that run a guest's CPUs. The process that holds the guest's control port is its QEMU: it names
 * its threads "CPU n/KVM" or "CPU n/TCG" (-name ...,debug-threads=on, as libvirt does), and "ALL CPUs/TCG" where one runs them all;
 * else KVM's debugfs has them. What is found here is confirmed, or refused, when the recordings are placed on one timeline.
 */
import { readdirSync, readFileSync, realpathSync } from "node:fs";
import { attempt } from "../../base/attempt.ts";
import { descriptorsOfOthers, holdersOf } from "../../tracefs/file-holders.ts";
import { findHostPorts, type GuestDirectory } from "../guest-directory.ts";

const kvmDirectory = "/sys/kernel/debug/kvm";
const unknown = -1;

/** By CPU of the guest; -1 where it is not found. */
export function vcpuThreads(guest: GuestDirectory, cpus: number): number[] {
  for (const pid of processesOf(guest)) {
    const found = namedThreads(pid, cpus) ?? kvmThreads(pid, cpus);
    if (found !== undefined) return found;
  }
  return Array.from({ length: cpus }, () => unknown);
}

/** Those that hold its control port, but for this one. */
export function processesOf(guest: GuestDirectory): number[] {
  const control = attempt(() => findHostPorts(guest).control);
  if (control === undefined) return [];
  const { path, end } = control;
  const paths = [path, ...end.endings.map((ending) => `${path}${ending}`)];
  const files = paths.filter((file) => attempt(() => realpathSync(file)) !== undefined);
  const holders = [...holdersOf(files).values()].flatMap((ofFile) => ofFile.map(({ pid }) => pid));
  return [...new Set([...holders, ...socketHolders(files)])];
}

/** Undefined where no thread has such a name. */
export function namedThreads(pid: number, cpus: number, root = "/proc"): number[] | undefined {
  const threads = Array.from({ length: cpus }, () => unknown);
  for (const task of attempt(() => readdirSync(`${root}/${pid}/task`)) ?? []) {
    const name = attempt(() => readFileSync(`${root}/${pid}/task/${task}/comm`, "latin1").trim()) ?? "";
    const cpu = /^CPU (\d{1,5})\/(?:KVM|TCG)$/.exec(name)?.[1];
    if (name === "ALL CPUs/TCG") threads.fill(Number(task));
    else if (cpu !== undefined && Number(cpu) < cpus) threads[Number(cpu)] = Number(task);
  }
  return threads.some((task) => task !== unknown) ? threads : undefined;
}

/** debugfs: kvm/PID-FD/vcpuN/pid (Linux 6.0, virt/kvm/kvm_main.c). */
export function kvmThreads(pid: number, cpus: number, root = kvmDirectory): number[] | undefined {
  const vm = attempt(() => readdirSync(root))?.find((name) => name.startsWith(`${pid}-`));
  if (vm === undefined) return undefined;
  const threads = Array.from({ length: cpus }, (_, cpu) => {
    const task = Number(attempt(() => readFileSync(`${root}/${vm}/vcpu${cpu}/pid`, "latin1").trim()) ?? unknown);
    return Number.isSafeInteger(task) && task > 0 ? task : unknown;
  });
  return threads.some((task) => task !== unknown) ? threads : undefined;
}

/** Processes that listen on, or accepted from, a socket of this path (proc(5), /proc/net/unix: the inode and the path last). */
function socketHolders(paths: readonly string[]): number[] {
  const wanted = new Set(paths.map((path) => attempt(() => realpathSync(path)) ?? path));
  const links = new Set<string>();
  for (const line of (attempt(() => readFileSync("/proc/net/unix", "latin1")) ?? "").split("\n")) {
    const [, inode, path] = /(\d+) (\/.*)$/.exec(line) ?? [];
    if (inode !== undefined && path !== undefined && wanted.has(attempt(() => realpathSync(path)) ?? path))
      links.add(`socket:[${inode}]`);
  }
  if (links.size === 0) return [];
  const holders: number[] = [];
  for (const { pid, target } of descriptorsOfOthers()) if (links.has(target)) holders.push(pid);
  return holders;
}
