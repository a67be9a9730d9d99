/** What a spool's files say, which may be made by anybody. */
import {
  type HelloReply,
  parseReply,
  type StartReply,
  type StatusReply,
  type StopReply,
} from "../../protocol/replies.ts";
import { tracefsLimits } from "../../tracefs/limits.ts";

export type SpoolSession = {
  guest: string;
  traceId: bigint;
  hello?: HelloReply | undefined;
  /** Keep what the ring buffer held before the start. */
  past?: boolean;
  /** The counters just before the start. */
  before?: StatusReply | undefined;
  start?: StartReply | undefined;
  /** By the guest's CPU, the task of this machine that runs it; -1 where that is not known. */
  vcpus?: readonly number[] | undefined;
  /** Streams lie in pieces of so many bytes each. */
  pieceBytes?: number | undefined;
};
/**
 * `after`: the counters when all that the stop reply tells had come. `beyondSize`: bytes that came and are not in the spool,
 * since the user wanted no more (-m). `reason`: why it ended, where nobody asked for it.
 */
export type SpoolEnd = {
  stop?: StopReply | undefined;
  after?: StatusReply | undefined;
  beyondSize?: { cpu: number; bytes: number }[] | undefined;
  reason: string;
};

export function sessionIn(fields: Record<string, unknown> | undefined): SpoolSession {
  const hello = parseReply(JSON.stringify(fields?.["hello"] ?? null));
  const before = parseReply(JSON.stringify(fields?.["before"] ?? null));
  const start = parseReply(JSON.stringify(fields?.["start"] ?? null));
  const { traceId, guest, vcpus, pieceBytes } = fields ?? {};
  return {
    guest: typeof guest === "string" ? guest : "unknown",
    traceId: typeof traceId === "string" && /^\d{1,20}$/.test(traceId) ? BigInt.asUintN(64, BigInt(traceId)) : 0n,
    hello: hello?.reply === "hello" ? hello : undefined,
    past: fields?.["past"] === true,
    before: before?.reply === "status" ? before : undefined,
    start: start?.reply === "start" ? start : undefined,
    vcpus: isTasks(vcpus) ? vcpus : undefined,
    pieceBytes: Number.isSafeInteger(pieceBytes) && Number(pieceBytes) > 0 ? Number(pieceBytes) : undefined,
  };
}

export function endIn(fields: Record<string, unknown>): SpoolEnd {
  const stop = parseReply(JSON.stringify(fields["stop"] ?? null));
  const after = parseReply(JSON.stringify(fields["after"] ?? null));
  const reason = typeof fields["reason"] === "string" ? fields["reason"] : "";
  return {
    stop: stop?.reply === "stop" ? stop : undefined,
    after: after?.reply === "status" ? after : undefined,
    beyondSize: beyondSizeIn(fields["beyondSize"]),
    reason,
  };
}

function beyondSizeIn(value: unknown): { cpu: number; bytes: number }[] | undefined {
  if (!Array.isArray(value)) return undefined;
  return value.flatMap((entry: unknown) => {
    if (typeof entry !== "object" || entry === null || !("cpu" in entry) || !("bytes" in entry)) return [];
    const { cpu, bytes } = entry;
    return Number.isSafeInteger(cpu) && Number.isSafeInteger(bytes) ? [{ cpu: Number(cpu), bytes: Number(bytes) }] : [];
  });
}

function isTasks(value: unknown): value is number[] {
  return (
    Array.isArray(value) &&
    value.length <= tracefsLimits.cpusMax &&
    value.every((task: unknown) => Number.isSafeInteger(task) && Number(task) >= -1 && Number(task) < 2 ** 31)
  );
}
