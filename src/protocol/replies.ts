/**
 * What the agent answers on the control port: one JSON line each (guest -> host). Each schema gives the type that the agent
 * fills in and the check that the host makes.
 *
 * Fields added after protocol 1 are optional. Keys beyond the schema are ignored: an agent may be newer.
 *
 * `bytes` of a stream is the position in it: the total sent to this data port since the agent started. The
 * recording between a start and a stop reply is `stop.bytes - start.bytes` bytes long, and its last byte is the
 * last one that the port carries until the next start: what an earlier host left unread precedes it.
 */
import * as v from "valibot";
import { parseBoundedJson } from "../base/bounded-json.ts";
import { tracefsLimits } from "../tracefs/limits.ts";
import { count, longText, perCpu, stateWord, text } from "./fields.ts";
import { protocolLimits } from "./limits.ts";

const runState = stateWord(["armed", "running"]);
/** armed: waiting for a start order; running: reading the ring buffer; parked: its CPU is offline; failed: given up. */
const cpuState = stateWord(["armed", "running", "parked", "failed"]);
/**
 * open: held by us; closed: exists, not held (another program has it, or it failed); absent: this guest has no
 * such port.
 */
const portState = stateWord(["open", "closed", "absent"]);

/** Settings found in the guest that can keep events out of a recording: they explain an empty one. */
const found = v.object({
  tracingOn: v.boolean(),
  /** set_event_pid and set_event_notrace_pid, as the kernel writes them; "" when no task is selected. */
  pids: text,
  notracePids: text,
  /** Filters of enabled events: the first ones, and how many there are in all. */
  filters: v.pipe(v.array(v.object({ event: text, filter: text })), v.maxLength(protocolLimits.foundFilters)),
  filtersInAll: count(),
});

/**
 * CPUs that are traced and have no stream: `events` of the current run stay in the guest, and why. Without those
 * that --cpus excludes.
 */
const notServed = perCpu({ events: count(), reason: text });

const hello = v.object({
  reply: v.literal("hello"),
  nonce: text,
  agent: v.literal("trace-agent"),
  version: text,
  protocol: count(),
  /** `agentWords` that this agent knows; empty for protocol 1. */
  words: v.optional(v.pipe(v.array(text), v.maxLength(protocolLimits.agentWords)), []),
  hostname: text,
  /** uname -r and uname -m. */
  kernel: text,
  machine: text,
  /** A different id: the guest rebooted. "" if unknown. */
  bootId: v.optional(text, ""),
  /** What its symbols depend on beside its boot (tracefs/symbols-state.ts); undefined where the agent does not tell it. */
  symbols: v.optional(v.object({ modules: text, kptrRestrict: text, printkBytes: count() })),
  state: runState,
  clock: text,
  pageSize: count(tracefsLimits.subBufferMaxBytes),
  subBufferSize: v.pipe(count(tracefsLimits.subBufferMaxBytes), v.minValue(1024)),
  longSize: v.picklist([4, 8]),
  found: v.optional(found),
  cpus: perCpu({ port: portState, state: cpuState, bytes: count() }),
});

/** Answers `host N`: the protocol that the agent speaks from now on. */
const host = v.object({ reply: v.literal("host"), protocol: count() });

const start = v.object({
  reply: v.literal("start"),
  state: runState,
  streams: perCpu({
    bytes: count(),
    /**
     * The trace time of this CPU when it began to be read, in the unit of the events' time stamps (ns, or the ticks
     * of the clock); earlier events were in the ring buffer already. Decimal digits, because it can exceed 2^53.
     * Undefined if unknown (protocol 1, an offline CPU).
     */
    time: v.optional(v.pipe(v.string(), v.regex(/^\d{1,20}$/))),
  }),
});

const stop = v.object({
  reply: v.literal("stop"),
  state: runState,
  streams: perCpu({ bytes: count(), lostBytes: v.optional(count(), 0) }),
  notServed: v.optional(notServed),
});

const status = v.object({
  reply: v.literal("status"),
  state: runState,
  repliesDropped: v.optional(count(), 0),
  /** How long an event may wait in the guest; undefined where the agent does not tell. */
  latencyMs: v.optional(count()),
  /** Current values; the filters as of the hello or the last `set events`. */
  found: v.optional(found),
  cpus: perCpu({
    state: cpuState,
    port: portState,
    bytes: count(),
    subBuffers: count(),
    /** Of the ring buffer's per-CPU stats: unread events, overwritten before read, lost to a nested commit, dropped. */
    entries: count(),
    overrun: count(),
    commitOverrun: count(),
    droppedEvents: count(),
    readEvents: count(),
    /** Read from the ring buffer and refused by the port: lost in transit. */
    lostBytes: count(),
    /** How often the port could take no more. */
    backpressure: count(),
    restarts: count(),
  }),
  /** No events while armed. */
  notServed: v.optional(notServed),
});

/** ns, or ticks, as decimal digits: they can exceed 2^53. */
const digits = v.pipe(v.string(), v.regex(/^\d{1,20}$/));

/** clock_gettime(2) of CLOCK_MONOTONIC_RAW, MONOTONIC, BOOTTIME and REALTIME; the x86 processor's counter where there is one. */
const clocks = v.object({ mono_raw: digits, mono: digits, boot: digits, realtime: digits, tsc: v.optional(digits) });

/** `read`: when the order had just been read from the port; `sent`: just before this was written to it. */
const clock = v.object({ reply: v.literal("clock"), nonce: text, read: clocks, sent: clocks });

/** Followed by `bytes` bytes, in frames if `frames` is true: gzip of the JSON of `Metadata` (metadata.ts). */
const metadata = v.object({
  reply: v.literal("metadata"),
  bytes: count(protocolLimits.metadataPackedBytes),
  encoding: v.literal("gzip"),
  /** Only for a host that said `host 3`. */
  frames: v.optional(v.literal(true)),
});

/** Answers `metadata SECTION...`. The body follows in frames (metadata.ts); the last one is marked, since the size is not known before. */
const sections = v.object({ reply: v.literal("sections"), sections: v.array(text) });

/**
 * Followed by `bytes` bytes of the body that was announced last. Only the reader, which assembles them, sees
 * this reply.
 */
const frame = v.object({
  reply: v.literal("frame"),
  bytes: v.pipe(count(protocolLimits.frameBytes), v.minValue(1)),
  /** The last of the body of `sections`. */
  last: v.optional(v.literal(true)),
});

const setting = longText(protocolLimits.settingChars);
const set = v.object({ reply: v.literal("set"), key: text, value: setting, previous: setting });

/** What could not be put back, and why; none: all is as it was before the session. */
const restore = v.object({
  reply: v.literal("restore"),
  failures: v.pipe(v.array(text), v.maxLength(protocolLimits.restoreFailures)),
});

/** Not an answer: the agent is still working on an order. Only for a host that said `host 2`. */
const progress = v.object({ reply: v.literal("progress"), word: text });

/** Also sent unasked, with the order "lease": the session's lease ran out. Only for a host that said `host 2`. */
const error = v.object({ reply: v.literal("error"), order: text, error: text });

const reply = v.variant("reply", [
  hello,
  host,
  start,
  stop,
  status,
  clock,
  metadata,
  sections,
  set,
  restore,
  progress,
  error,
]);
const replyOrFrame = v.variant("reply", [frame, ...reply.options]);
type OneReply = (typeof replyOrFrame.options)[number];
/** A variant tries one after the other. */
const byKind: ReadonlyMap<unknown, OneReply> = new Map(
  replyOrFrame.options.map((schema) => [schema.entries.reply.literal, schema]),
);

export type Reply = v.InferOutput<typeof reply>;
export type HelloReply = v.InferOutput<typeof hello>;
export type StartReply = v.InferOutput<typeof start>;
export type StopReply = v.InferOutput<typeof stop>;
export type StatusReply = v.InferOutput<typeof status>;
export type ClockReply = v.InferOutput<typeof clock>;
export type MetadataReply = v.InferOutput<typeof metadata>;
export type SectionsReply = v.InferOutput<typeof sections>;
export type FrameReply = v.InferOutput<typeof frame>;
export type RunState = HelloReply["state"];
export type CpuState = v.InferOutput<typeof cpuState>;
export type PortState = v.InferOutput<typeof portState>;
export type Found = v.InferOutput<typeof found>;
export type StartPosition = StartReply["streams"][number];
export type StreamPosition = { cpu: number; bytes: number };
export type CpuStatus = StatusReply["cpus"][number];
export type NotServedCpu = v.InferOutput<typeof notServed>[number];

/** Nesting of a reply: lists of objects of a few fields each. */
const replyBounds = { depthMax: protocolLimits.replyDepth, valuesMax: protocolLimits.replyValues };

/** Parses one line into a reply; undefined for anything else. After this no field needs another check. */
export function parseReply(line: string): Reply | FrameReply | undefined {
  const parsed = parsedReply(line);
  return typeof parsed !== "string" && parsed.success ? parsed.output : undefined;
}

/** What is wrong with a line that is no reply: "pageSize: Invalid type: ...". It may hold any text of the guest. */
export function whyNoReply(line: string): string {
  const parsed = parsedReply(line);
  if (typeof parsed === "string") return parsed;
  const [issue] = parsed.issues ?? [];
  if (issue === undefined) return "";
  const field = v.getDotPath(issue);
  return field === null ? issue.message : `${field}: ${issue.message}`;
}

/** Or why it is no JSON. */
function parsedReply(line: string): v.SafeParseResult<OneReply> | v.SafeParseResult<typeof replyOrFrame> | string {
  let value: unknown;
  try {
    value = parseBoundedJson(line, replyBounds);
  } catch (cause) {
    if (cause instanceof SyntaxError) return cause.message;
    throw cause;
  }
  const kind = typeof value === "object" && value !== null && "reply" in value ? value.reply : undefined;
  const known = byKind.get(kind);
  return known === undefined
    ? v.safeParse(replyOrFrame, value, { abortEarly: true })
    : v.safeParse(known, value, { abortEarly: true });
}
