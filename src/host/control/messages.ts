/**
 * What is said on a recorder's control socket (DIR/.control): one JSON line each way, in order. Each schema gives the type that one
 * side writes and the check that the other makes. Keys beyond a schema are passed over: the other side may be newer. Keys are never
 * renamed, `status DIR --json` shows them.
 */
import * as v from "valibot";
import { parseBoundedJson } from "../../base/bounded-json.ts";
import { hostLimits } from "../limits.ts";

const text = v.pipe(v.string(), v.maxLength(4_096));
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const seconds = v.pipe(v.number(), v.finite(), v.minValue(0));

const request = v.variant("request", [
  v.object({ request: v.literal("status") }),
  /** `machine`: of that one alone. */
  v.object({ request: v.literal("snapshot"), machine: v.optional(text) }),
  v.object({ request: v.literal("stop") }),
]);

/** Events that are not in the recording, by why. `transit`: as far as recordings have ended. */
const lost = v.object({ overrun: count, dropped: count, transit: count });

/** Sums over all recordings of this machine since the recorder began. */
const machine = v.object({
  name: text,
  kind: v.picklist(["host", "guest"]),
  /** waiting: for its agent; recording; ended; left out: it was not recorded. */
  state: v.picklist(["waiting", "recording", "ended", "left out"]),
  /** Why it is left out, or ended early. */
  reason: v.optional(text),
  /** Its agent answers. */
  up: v.boolean(),
  silentSeconds: seconds,
  receivedBytes: count,
  /** Received and not yet in a file of its own. */
  spoolBytes: count,
  /** Files that were made. */
  segments: count,
  lost,
  /** Read from the ring buffer and refused by the port. */
  lostBytes: count,
  cpus: v.array(v.object({ cpu: count, receivedBytes: count, overrun: count, dropped: count })),
});

const status = v.object({
  version: text,
  pid: count,
  directory: text,
  /** UTC. */
  started: text,
  state: v.picklist(["recording", "finishing"]),
  /** whole: files at the end; segments: --rotate; ring: --last. */
  mode: v.picklist(["whole", "segments", "ring"]),
  /** All that lies in the directory. */
  diskBytes: count,
  /** Received and not yet in a file of its own. */
  spoolBytes: count,
  /** By what made the recorder take them. */
  snapshots: v.record(text, count),
  machines: v.array(machine),
});

const reply = v.variant("reply", [
  v.object({ reply: v.literal("status"), status }),
  /** Paths below the directory. None where a snapshot began the next segment. */
  v.object({
    reply: v.literal("snapshot"),
    files: v.array(v.object({ machine: text, file: text, bytes: count })),
  }),
  /** The connection is closed when all files are made. */
  v.object({ reply: v.literal("stop") }),
  v.object({ reply: v.literal("error"), error: text, remedy: v.optional(text) }),
]);

export type ControlRequest = v.InferOutput<typeof request>;
export type ControlReply = v.InferOutput<typeof reply>;
export type ControlStatus = v.InferOutput<typeof status>;
export type MachineStatus = v.InferOutput<typeof machine>;

/** Undefined for what is no request. */
export function parseRequest(line: string): ControlRequest | undefined {
  return parsed(request, line, 64);
}

/** Undefined for what is no reply. */
export function parseControlReply(line: string): ControlReply | undefined {
  return parsed(reply, line, hostLimits.controlReplyValues);
}

function parsed<const T extends v.GenericSchema>(
  schema: T,
  line: string,
  valuesMax: number,
): v.InferOutput<T> | undefined {
  try {
    const result = v.safeParse(schema, parseBoundedJson(line, { depthMax: 8, valuesMax }));
    return result.success ? result.output : undefined;
  } catch {
    return undefined;
  }
}
