/** Finds which threads of the host ran a guest's CPUs, where several guests' have the same names: those that its events fit. */
import type { TraceSource } from "../../trace-dat/trace-source.ts";
import { timelineLimits } from "../limits.ts";
import { vcpuCandidates, vcpusToGive, type VcpuThread } from "./machine-tasks.ts";
import { searchOffset } from "./search-offset.ts";
import { type KnownOffset, synchronise } from "./synchronise.ts";

/** `tasks`: by vCPU, -1 where that is not known. `hint`: what would help, where none is known. */
export type FoundTasks = { readonly tasks: readonly number[]; readonly hint: string };

/** `known`: of the guest's offset. */
export function findTasks(
  host: TraceSource,
  threads: readonly VcpuThread[],
  { name, source }: { readonly name: string; readonly source: TraceSource },
  known: KnownOffset | undefined,
): FoundTasks {
  const cpus = source.cpus.length;
  const candidates = vcpuCandidates(threads, cpus);
  const [only] = candidates;
  if (only !== undefined && candidates.length === 1) return { tasks: only, hint: "" };
  const fits = (tasks: readonly number[]): boolean =>
    known === undefined
      ? searchOffset(host, source, tasks).known !== undefined
      : synchronise(host, source, tasks, known).method === "causality";
  const fitting = candidates.length > timelineLimits.syncCandidatesMax ? [] : candidates.filter(fits);
  // Some of a guest's threads fit as all of them do.
  const whole = fitting.filter((one) => !fitting.some((other) => other !== one && isPart(one, other)));
  const [found] = whole;
  if (found !== undefined && whole.length === 1) return { tasks: found, hint: "" };
  return { tasks: Array.from({ length: cpus }, () => -1), hint: vcpusToGive(name, threads, cpus) };
}

function isPart(one: readonly number[], other: readonly number[]): boolean {
  return one.every((task, cpu) => task <= 0 || other[cpu] === task);
}
