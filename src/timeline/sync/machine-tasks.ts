/**
 * The tasks of a host that ran the CPUs of its guests, as its recording names them: QEMU's threads "CPU n/KVM" and "CPU n/TCG", and
 * "ALL CPUs/TCG" where one runs them all (-accel tcg,thread=single).
 */
import type { Reader } from "../../events/print-format/number-node.ts";
import type { TraceSource } from "../../trace-dat/trace-source.ts";
import { EventIterator } from "../event-iterator.ts";
import { timelineLimits } from "../limits.ts";

export type VcpuThread = { readonly task: number; readonly cpu: number | "all" };

/** In order of their numbers. The kernel's list of tasks may lack some (it keeps 128), so the switches are asked as well. */
export function vcpuThreadsOf(host: TraceSource): VcpuThread[] {
  const found = new Map<number, VcpuThread["cpu"]>();
  const note = (task: number, name: string): void => {
    const number = /^CPU (\d{1,5})\/(?:KVM|TCG)$/.exec(name)?.[1];
    const cpu = name === "ALL CPUs/TCG" ? "all" : number === undefined ? undefined : Number(number);
    if (cpu !== undefined && found.size < timelineLimits.syncThreadsMax) found.set(task, cpu);
  };
  for (const line of (host.metadata.savedCommands ?? "").split("\n")) {
    const [, task, name] = /^\s*([1-9]\d{0,9}) (.*)$/.exec(line) ?? [];
    if (task !== undefined && name !== undefined) note(Number(task), name);
  }
  forEachSwitched(host, note);
  return [...found].map(([task, cpu]) => ({ task, cpu })).sort((a, b) => a.task - b.task);
}

/** Each task with the name that it first ran under. */
function forEachSwitched(host: TraceSource, see: (task: number, name: string) => void): void {
  const events = new EventIterator(host, { events: ["sched:sched_switch"] });
  const seen = new Set<number>();
  let kind: unknown;
  let pidOf: Reader | undefined;
  let place: { offset: number; size: number } | undefined;
  while (events.next()) {
    const { record } = events;
    if (events.kind !== kind) {
      kind = events.kind;
      pidOf = events.kind?.number("next_pid")?.low;
      place = events.kind?.text("next_comm");
    }
    const task = pidOf?.(record) ?? 0;
    if (task <= 0 || place === undefined || seen.has(task)) continue;
    if (seen.size < timelineLimits.syncTasksSeen) seen.add(task);
    const at = record.at + place.offset;
    const name = Buffer.from(record.bytes.subarray(at, at + place.size)).toString("latin1");
    see(task, name.replace(/\0.*$/s, ""));
  }
}

/**
 * Which of them may run the CPUs of one guest, by CPU, -1 where there is none. QEMU makes its threads in the order of their CPUs, but
 * two that start at once have numbers between each other: so a thread belongs to the last, or else to the first, that lacks one.
 */
export function vcpuCandidates(threads: readonly VcpuThread[], cpus: number): number[][] {
  const grouped = (find: (groups: readonly number[][], cpu: number) => number[] | undefined): number[][] => {
    const groups: number[][] = [];
    for (const { task, cpu } of threads) {
      if (cpu === "all") continue;
      let group = find(groups, cpu);
      if (group === undefined) groups.push((group = []));
      group[cpu] = task;
    }
    return groups;
  };
  const lacks = (cpu: number) => (group: readonly number[]) => group[cpu] === undefined;
  const all = [
    ...grouped((groups, cpu) => groups.findLast(lacks(cpu))),
    ...grouped((groups, cpu) => groups.find(lacks(cpu))),
  ].map((group) => Array.from({ length: cpus }, (_, cpu) => group[cpu] ?? -1));
  for (const { task, cpu } of threads) if (cpu === "all") all.push(Array.from({ length: cpus }, () => task));
  const known = all.filter((group) => group.some((task) => task > 0));
  return [...new Map(known.map((group) => [group.join(), group])).values()];
}

/** What is to be told, where no candidate fits alone. */
export function vcpusToGive(guest: string, threads: readonly VcpuThread[], cpus: number): string {
  const option = `--vcpus ${guest}=${Array.from({ length: Math.min(cpus, 4) }, () => "TID").join(",")}${cpus > 4 ? ",..." : ""}`;
  if (threads.length === 0)
    return `${option} names them: the host's recording has no thread "CPU n/KVM" or "CPU n/TCG" (QEMU's -name NAME,debug-threads=on)`;
  const ofCpu = Array.from({ length: Math.min(cpus, 8) }, (_, cpu) => {
    const tasks = threads.filter((thread) => thread.cpu === cpu || thread.cpu === "all").map(({ task }) => task);
    return `CPU ${cpu}: ${tasks.length === 0 ? "none" : `${tasks.slice(0, 8).join(" or ")}${tasks.length > 8 ? " ..." : ""}`}`;
  });
  return `${option} names them, of the host's threads (${ofCpu.join("; ")}${cpus > 8 ? "; ..." : ""})`;
}
