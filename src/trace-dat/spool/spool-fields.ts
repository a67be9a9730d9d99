/** What a spool's files say, which may be made by anybody. */
import {
  type FrameReply,
  type HelloReply,
  parseReply,
  type Reply,
  type StartReply,
  type StatusReply,
  type StopReply,
} from "../../protocol/replies.ts";
import { parseBoundedJson } from "../../base/bounded-json.ts";
import { messageOf } from "../../base/errors.ts";
import { tracefsLimits } from "../../tracefs/limits.ts";
import { traceDatLimits } from "../limits.ts";

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

export type Fields = Record<string, unknown>;

const jsonBounds = { depthMax: traceDatLimits.sessionDepthMax, valuesMax: traceDatLimits.sessionValuesMax };

/** Of a file of JSON, and what is wrong with it, by sentences; undefined without a file. */
export function fieldsIn(name: string, bytes: Buffer | undefined): { fields: Fields | undefined; damage: string[] } {
  if (bytes === undefined) return { fields: undefined, damage: [] };
  const damaged = (why: string): { fields: undefined; damage: string[] } => ({
    fields: undefined,
    damage: [`${name} is damaged: ${why}`],
  });
  try {
    const value = parseBoundedJson(bytes.toString("utf8"), jsonBounds);
    if (typeof value !== "object" || value === null) return damaged("it is no object");
    const fields = Object.fromEntries(Object.entries(value));
    const wrong = replyNames.filter((key) => fields[key] !== undefined && replyIn(fields, key) === undefined);
    return { fields, damage: wrong.map((key) => `${name} is damaged: its "${key}" is no reply of an agent`) };
  } catch (cause) {
    return damaged(messageOf(cause));
  }
}

/** By what they are called in the files, the kinds of replies. */
const replyKinds = { hello: "hello", before: "status", start: "start", stop: "stop", after: "status" } as const;
const replyNames = ["hello", "before", "start", "stop", "after"] as const;

/** One of another kind is none. */
function replyIn(fields: Fields | undefined, name: keyof typeof replyKinds): Reply | FrameReply | undefined {
  const reply = parseReply(JSON.stringify(fields?.[name] ?? null));
  return reply?.reply === replyKinds[name] ? reply : undefined;
}

export function sessionIn(fields: Fields | undefined): SpoolSession {
  const [hello, before, start] = [replyIn(fields, "hello"), replyIn(fields, "before"), replyIn(fields, "start")];
  const { traceId, guest, vcpus, pieceBytes } = fields ?? {};
  return {
    guest: typeof guest === "string" ? guest.slice(0, traceDatLimits.nameChars) : "unknown",
    traceId: typeof traceId === "string" && /^\d{1,20}$/.test(traceId) ? BigInt.asUintN(64, BigInt(traceId)) : 0n,
    hello: hello?.reply === "hello" ? hello : undefined,
    past: fields?.["past"] === true,
    before: before?.reply === "status" ? before : undefined,
    start: start?.reply === "start" ? start : undefined,
    vcpus: isTasks(vcpus) ? vcpus : undefined,
    pieceBytes: isCount(pieceBytes) && pieceBytes > 0 ? pieceBytes : undefined,
  };
}

export function endIn(fields: Fields): SpoolEnd {
  const [stop, after] = [replyIn(fields, "stop"), replyIn(fields, "after")];
  const reason = typeof fields["reason"] === "string" ? fields["reason"].slice(0, traceDatLimits.sessionTextChars) : "";
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
    return isCount(cpu) && isCount(bytes) ? [{ cpu, bytes }] : [];
  });
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isTasks(value: unknown): value is number[] {
  return (
    Array.isArray(value) &&
    value.length <= tracefsLimits.cpusMax &&
    value.every((task: unknown) => Number.isSafeInteger(task) && Number(task) >= -1 && Number(task) < 2 ** 31)
  );
}
