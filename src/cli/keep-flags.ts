/** Flags of recordings that do not end as one file: segments (--rotate), or a ring with snapshots (--last). */
import { AgentError } from "../base/errors.ts";
import type { TraceDatFormat } from "../trace-dat/write/write.ts";
import type { CutOptions } from "../host/segments/make-cutter.ts";
import type { RotateEvery } from "../host/segments/cut-parts.ts";
import type { Free, Keep } from "../host/segments/segment-store.ts";
import { hostLimits } from "../host/limits.ts";
import type { Flags, FlagValues } from "./command.ts";
import { durationIn, parseDuration, refuseBareM } from "./duration.ts";
import { formatSize, parseSize } from "./size.ts";

export const keepFlags = {
  rotate: {
    type: "string",
    valueHint: "SIZE|TIME",
    description: "Begin a new file after this much data of all machines, or this time, as in 1G or 10min; needs -o DIR",
  },
  keep: {
    type: "string",
    valueHint: "COUNT|SIZE",
    description: "With --rotate, --last: keep so many files of each machine, or so much in all, the newest",
  },
  free: {
    type: "string",
    valueHint: "SHARE|SIZE",
    description: `With these: what stays free on the disk, as in 10% or 20G (${hostLimits.freeShare * 100}%, at most ${formatSize(hostLimits.freeMaxBytes)})`,
  },
  last: {
    type: "string",
    valueHint: "TIME",
    description: "Keep only what came in the last TIME, as in 30s, for snapshots; needs -o DIR",
  },
  max: {
    type: "string",
    valueHint: "SIZE",
    description: `With --last: at most this much of all machines (${formatSize(hostLimits.ringBytes)})`,
  },
  after: { type: "string", valueHint: "TIME", description: "With --last: how long a snapshot goes on (0s)" },
  every: {
    type: "string",
    valueHint: "TIME",
    description: `With --last: no snapshot sooner after another (${hostLimits.snapshotEveryMs / 1000}s)`,
  },
} as const satisfies Flags;

export type KeepValues = FlagValues<typeof keepFlags>;

/** Undefined where the recording is one file of each machine. `format`: as the user names it. */
export function readCut(values: KeepValues, format: TraceDatFormat | undefined): CutOptions | undefined {
  const { rotate, last, keep, free } = values;
  requireWith(values, ["keep", "free"], rotate ?? last, "--rotate or --last");
  requireWith(values, ["max", "after", "every"], last, "--last");
  if (rotate === undefined && last === undefined) return undefined;
  if (rotate !== undefined && last !== undefined)
    throw new AgentError("usage", "--rotate and --last exclude each other", {
      remedy: "all of it in files: --rotate; snapshots of the newest: --last",
    });
  if (format === "v6")
    throw new AgentError("usage", "--rotate and --last write version 7", { remedy: "leave --format out" });
  const kept = { keep: readKeep(keep), free: readFree(free) };
  if (rotate !== undefined) {
    const every = readRotate(rotate);
    const { bytes = Infinity } = kept.keep;
    if (every.bytes !== undefined && bytes < 4 * every.bytes)
      throw new AgentError("usage", `--keep ${keep} is less than four files of --rotate ${rotate}`, {
        remedy: "one is received, one is written, and some are to be kept",
      });
    return { ...kept, rotate: every };
  }
  const lastMs = positive("last", last ?? "");
  return {
    ...kept,
    ring: {
      lastMs,
      maxBytes: values.max === undefined ? hostLimits.ringBytes : sizeOf("max", values.max),
      afterMs: values.after === undefined ? 0 : parseDuration("after", values.after),
      everyMs: values.every === undefined ? hostLimits.snapshotEveryMs : parseDuration("every", values.every),
    },
  };
}

function requireWith(values: KeepValues, names: readonly (keyof KeepValues)[], given: unknown, what: string): void {
  const lonely = names.find((name) => values[name] !== undefined);
  if (given === undefined && lonely !== undefined)
    throw new AgentError("usage", `--${lonely} is for ${what}, which is not given`);
}

function readRotate(text: string): RotateEvery {
  refuseBareM("rotate", text, ["M", "min"]);
  const ms = durationIn(text);
  if (ms === undefined) return { bytes: sizeOf("rotate", text) };
  if (ms < hostLimits.rotateMinMs)
    throw new AgentError("usage", `cannot rotate every "${text}"`, {
      remedy: `at least ${hostLimits.rotateMinMs / 1000}s`,
    });
  return { ms };
}

function readKeep(text: string | undefined): Keep {
  if (text === undefined) return {};
  if (!/^\d{1,6}$/.test(text)) return { bytes: sizeOf("keep", text) };
  if (Number(text) > 0) return { count: Number(text) };
  throw new AgentError("usage", `cannot read keep "${text}": nothing would be kept`, { remedy: "as in 24 or 50G" });
}

function readFree(text: string | undefined): Free {
  if (text === undefined) return {};
  const [, percent] = /^(\d{1,2}(?:\.\d{1,2})?)%$/.exec(text) ?? [];
  if (percent !== undefined) return { share: Number(percent) / 100 };
  if (text.endsWith("%"))
    throw new AgentError("usage", `cannot read free "${text}"`, { remedy: "as in 10%, below 100%" });
  return { bytes: parseSize("free", text) };
}

function sizeOf(option: string, text: string): number {
  refuseBareM(option, text, ["M"]);
  const bytes = parseSize(option, text);
  if (bytes >= hostLimits.cutMinBytes) return bytes;
  throw new AgentError("usage", `cannot read ${option} "${text}": too little`, {
    remedy: `at least ${formatSize(hostLimits.cutMinBytes)}`,
  });
}

function positive(option: string, text: string): number {
  const ms = parseDuration(option, text);
  if (ms > 0) return ms;
  throw new AgentError("usage", `cannot read ${option} "${text}": nothing would be kept`, { remedy: "as in 30s" });
}
