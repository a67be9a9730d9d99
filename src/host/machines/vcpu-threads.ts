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

/**
 * Of guests that are recorded together: what other processes have open is looked at once for all of them, when the first is asked for. By
 * then all of them have answered, so that their QEMUs are there. What comes later is looked for on its own.
 */
export class VcpuSearch {
  readonly #guests: readonly GuestDirectory[];
  readonly #search: typeof processesOf;
  #found: Map<string, number[]> | undefined;

  constructor(guests: readonly GuestDirectory[], search = processesOf) {
    this.#guests = guests;
    this.#search = search;
  }

  /** By CPU of the guest; -1 where it is not found. */
  threads(guest: GuestDirectory, cpus: number): number[] {
    this.#found ??= this.#search(this.#guests);
    const processes = this.#found.get(guest.path) ?? this.#search([guest]).get(guest.path);
    // A guest that is recorded again may have another QEMU.
    this.#found.delete(guest.path);
    for (const pid of processes ?? []) {
      const threads = namedThreads(pid, cpus) ?? kvmThreads(pid, cpus);
      if (threads !== undefined) return threads;
    }
    return Array.from({ length: cpus }, () => unknown);
  }
}

/** By the guest's path, the processes that hold its control port, but for this one. */
export function processesOf(guests: readonly GuestDirectory[]): Map<string, number[]> {
  const filesOf = new Map(guests.map((guest) => [guest.path, controlFiles(guest)]));
  const files = [...filesOf.values()].flat();
  const holders = holdersOf(files);
  const listeners = socketHolders(files);
  return new Map(
    [...filesOf].map(([path, own]) => {
      const pids = own.flatMap((file) => [
        ...(holders.get(file) ?? []).map(({ pid }) => pid),
        ...(listeners.get(file) ?? []),
      ]);
      return [path, [...new Set(pids)]];
    }),
  );
}

function controlFiles(guest: GuestDirectory): string[] {
  const control = attempt(() => findHostPorts(guest).control);
  if (control === undefined) return [];
  const { path, end } = control;
  const paths = [path, ...end.endings.map((ending) => `${path}${ending}`)];
  return paths.filter((file) => attempt(() => realpathSync(file)) !== undefined);
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

/**
 * By path, the processes that listen on, or accepted from, a socket there (proc(5), /proc/net/unix: the inode and the path last).
 */
function socketHolders(paths: readonly string[]): Map<string, number[]> {
  const wanted = new Map(paths.map((path) => [attempt(() => realpathSync(path)) ?? path, path]));
  const links = new Map<string, string>();
  for (const line of (attempt(() => readFileSync("/proc/net/unix", "latin1")) ?? "").split("\n")) {
    const [, inode, bound] = /(\d+) (\/.*)$/.exec(line) ?? [];
    if (inode === undefined || bound === undefined) continue;
    const path = wanted.get(bound) ?? wanted.get(attempt(() => realpathSync(bound)) ?? bound);
    if (path !== undefined) links.set(`socket:[${inode}]`, path);
  }
  const holders = new Map<string, number[]>();
  if (links.size === 0) return holders;
  for (const { pid, target } of descriptorsOfOthers()) {
    const path = links.get(target);
    if (path !== undefined) holders.set(path, [...(holders.get(path) ?? []), pid]);
  }
  return holders;
}
