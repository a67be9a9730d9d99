/** The sample program, built as trace-agent is built, and as Bun alone builds it for comparison. */
import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { compile } from "../../../../ffi/static/compile.ts";
import { findIngredients, makeExecutable } from "../../../../ffi/static/executable.ts";
import { hostMachine, targets } from "../../../../ffi/static/targets.ts";
import { atEnd } from "../../../support/at-end.ts";
import type { Report } from "../sample/main.ts";

const folder = join(import.meta.dir, "../sample");
export const sampleProgram = { entrypoints: [join(folder, "main.ts"), join(folder, "worker.ts")], root: folder };

/** What the executable gives its runtime as the agent of this machine, which record --local starts (ffi/static/entry/entry.c). */
export const localAgentVariables = { BUN_GC_TIMER_DISABLE: "1", BUN_JSC_maximumOptimizationDelay: "0" };

const ofCommands = {
  BUN_JSC_thresholdForJITAfterWarmUp: "5000",
  BUN_JSC_thresholdForOptimizeAfterWarmUp: "10000",
  BUN_JSC_useWarmUpMarkedBlocks: "0",
};

/** And as another command of the host. */
export const commandVariables = { ...localAgentVariables, ...ofCommands };

const lateLastTier = { BUN_GC_TIMER_DISABLE: "1", BUN_JSC_thresholdForFTLOptimizeAfterWarmUp: "400000" };

/** And as a command that reads a recording. */
export const readerVariables = { ...lateLastTier, ...ofCommands, BUN_JSC_largeHeapSize: `${16 * 2 ** 20}` };

/** What it gives its runtime as the agent, that is without a first word. */
export function agentVariables(onlineCpus = cpus().length): Record<string, string> {
  return { ...lateLastTier, BUN_JSC_forceMiniVMMode: "1", ...smallVariables(onlineCpus) };
}

/** And where memory is counted (ffi/static/entry/memory.h). */
export function smallVariables(onlineCpus = cpus().length): Record<string, string> {
  return {
    ...localAgentVariables,
    BUN_JSC_jitMemoryReservationSize: `${(3 + onlineCpus / 4) * 2 ** 20}`,
    BUN_JSC_structureHeapSizeInKB: "65536",
    MIMALLOC_ARENA_RESERVE: "32MiB",
    MIMALLOC_ARENA_EAGER_COMMIT: "0",
    MIMALLOC_PAGE_COMMIT_ON_DEMAND: "1",
    MIMALLOC_ARENA_MAX_OBJECT_SIZE: "1MiB",
    MIMALLOC_SCAVENGER: "0",
    MIMALLOC_PURGE_DELAY: "0",
  };
}

export type Sample = { folder: string; static: string; dynamic: string };

/** Built once for all files of a process, which `bun test` gives modules of their own. */
const shared = globalThis as { traceAgentSample?: Promise<Sample> };

/** Builds both in a folder that is removed when the process ends. */
export function sampleOf(): Promise<Sample> {
  return (shared.traceAgentSample ??= buildSample());
}

async function buildSample(): Promise<Sample> {
  const machine = hostMachine();
  if (machine === undefined) throw new Error("tests of the executable need Linux on x64 or arm64");
  const ingredients = findIngredients(targets[machine]);
  const output = mkdtempSync(join(tmpdir(), "trace-agent-sample-"));
  atEnd(() => rmSync(output, { recursive: true, force: true }));
  const sample = {
    folder: output,
    static: join(output, "static"),
    dynamic: join(output, "dynamic"),
  };
  await makeExecutable(sampleProgram, ingredients, sample.static);
  await compile({ ...sampleProgram, bun: ingredients.bun, assets: [], constants: {} }, join(output, "trace-agent"));
  renameSync(join(output, "trace-agent"), sample.dynamic);
  return sample;
}

export type Outcome = {
  command: string;
  exitCode: number | null;
  signal: string | number | undefined;
  stdout: string;
  stderr: string;
};

export type Where = { cwd?: string; env?: Record<string, string> };

/** Runs a command to its end, with this environment and no other. */
export function execute(command: string[], { cwd = "/", env = {} }: Where = {}): Outcome {
  const result = Bun.spawnSync(command, { cwd, env, stdout: "pipe", stderr: "pipe", timeout: 240_000 });
  return {
    command: command.join(" "),
    exitCode: result.exitCode,
    signal: result.signalCode,
    stdout: result.stdout.toString(),
    stderr: result.stderr.toString(),
  };
}

/** What the sample reported; anything else than success is an error that shows all of it. */
export function reportOf(outcome: Outcome): Report {
  if (outcome.exitCode !== 0 || !outcome.stdout.startsWith("{")) throw new Error(Bun.inspect(outcome));
  return JSON.parse(outcome.stdout) as Report;
}
