/**
 * Data before and after a recording: leftovers of an earlier session in the ports, and what a guest still has at
 * its stop. Neither has a reliable end, so both are bounded in time and bytes.
 */
import { log } from "../../base/log.ts";
import type { StopReply, StreamPosition } from "../../protocol/replies.ts";
import { theGuest } from "../guest-directory.ts";
import { hostLimits } from "../limits.ts";
import type { DataPortReader } from "./data-port-reader.ts";
import { Patience, type PatienceLimits } from "./patience.ts";
import type { Session } from "./session.ts";

/** Drops leftovers until the ports are silent. Nothing was to come since `sinceMs` (performance.now()). */
export async function drainStale(session: Session, sinceMs = performance.now()): Promise<void> {
  await receiveUntilSilent(session, silenceMsOf(session), sinceMs);
  const stale = session.pump.readers.reduce((sum, reader) => sum + reader.discarded, 0);
  if (stale > 0) log.info(`${stale} bytes of an earlier session were left in the ports: skipped`);
}

/** What the agent of this machine has sent lies in our FIFOs, which are new; between a guest and its ports it may be on its way. */
function silenceMsOf({ guest }: Session): number {
  return guest.local === true ? 0 : hostLimits.silenceMs;
}

/** Moves data until the ports are silent, with a deadline. What lies in them is looked at once in any case. */
export async function receiveUntilSilent(
  session: Session,
  silenceMs: number,
  sinceMs = performance.now(),
): Promise<void> {
  const { pump } = session;
  const begun = performance.now();
  await pump.turns(0);
  while (performance.now() - Math.max(sinceMs, pump.lastDataMs) < silenceMs && pump.full === undefined) {
    if (performance.now() - begun > hostLimits.drainMostMs || session.cancelled) return;
    await pump.turns(hostLimits.silenceMs / 4);
  }
}

/** `possibleBytes`: what each CPU can still have at its stop. `bySize`: the user's limit is smaller than that. */
export type RestBounds = { possibleBytes: ReadonlyMap<number, number>; bySize: boolean; limits: PatienceLimits };

/**
 * Bounds what is kept after the stop order; called before that order. `ringBufferKb`: buffer_size_kb, if known;
 * `bytesMax`: the user's limit (-m).
 */
export function boundRest(
  readers: readonly DataPortReader[],
  ringBufferKb: string | undefined,
  bytesMax: number | undefined,
): RestBounds {
  // Twice: events are written while the rest is transferred.
  const possible = 2 * ringBufferBytes(ringBufferKb) + hostLimits.transitBytes;
  const wanted = bytesMax === undefined ? Infinity : Math.max(hostLimits.transitBytes, bytesMax / readers.length);
  for (const reader of readers) reader.keepAtMost(Math.min(possible, wanted));
  const { silenceMs } = hostLimits.reply;
  return {
    possibleBytes: new Map(readers.map(({ cpu, received }) => [cpu, received + possible])),
    bySize: wanted < possible,
    limits: {
      silenceMs,
      totalMs: 2 * silenceMs + (possible * readers.length) / hostLimits.restPaceBytes,
      endless: () => wanted >= possible && readers.some(({ surplus }) => surplus > 0),
    },
  };
}

/** Parses "1408", "7 (expanded: 1408)" before the first use, "X" where the CPUs differ. */
function ringBufferBytes(kilobytes: string | undefined): number {
  const [, size, expanded] = /^(\d{1,12})(?: \(expanded: (\d{1,12})\))?/.exec(kilobytes ?? "0") ?? [];
  const bytes = size === undefined ? Infinity : Number(expanded ?? size) * 1024;
  return Math.min(Math.max(bytes, hostLimits.ringBufferMinBytes), hostLimits.ringBufferMaxBytes);
}

/** Reads buffer_size_kb from a metadata reply's body. It is in the first kilobytes, so the rest is not unpacked. */
export function ringBufferKbOf(body: Uint8Array): string | undefined {
  try {
    const packed = body.subarray(0, 4096);
    // Loaded for what is packed: it brings streams with it, 4 ms.
    const { constants, gunzipSync } = process.getBuiltinModule("node:zlib");
    const text = gunzipSync(packed, { finishFlush: constants.Z_SYNC_FLUSH }).toString("latin1");
    return /"buffer_size_kb":"([^"]{1,64})"/.exec(text)?.[1]?.trim();
  } catch {
    return undefined;
  }
}

export type RestOptions = {
  from: readonly StreamPosition[];
  stop: StopReply;
  bounds: RestBounds;
  /** Called repeatedly; returns the ms until it wants to be called again. */
  turn: () => number;
};

/** `stop`: as the guest reported it, without impossible totals. */
export type Rest = { stop: StopReply; wrong: string | undefined };

/**
 * Receives what the stop reply announces, and until the ports are silent: leftovers of an earlier run count towards the
 * announced total, so reaching it is not enough.
 */
export async function receiveRest(
  session: Session,
  readers: readonly DataPortReader[],
  { from, stop, bounds, turn }: RestOptions,
): Promise<Rest> {
  const { pump } = session;
  const patience = new Patience(bounds.limits, pump.cameBytes);
  const begun = performance.now();
  const silenceMs = silenceMsOf(session);
  const told = readers.map(({ cpu }) => positionOf(stop.streams, cpu) - positionOf(from, cpu));
  const absurd = new Set(readers.filter(({ cpu }, index) => (told[index] ?? 0) > (bounds.possibleBytes.get(cpu) ?? 0)));
  const isMissing = (reader: DataPortReader, index: number): boolean =>
    !reader.gone && !absurd.has(reader) && reader.received + reader.surplus < (told[index] ?? 0);
  const missing = (): boolean => readers.some(isMissing);
  for (;;) {
    const turnMs = turn();
    if (pump.full !== undefined || session.cancelled) break;
    const silentMs = performance.now() - Math.max(begun, pump.lastDataMs);
    if (missing()) {
      patience.see(pump.cameBytes);
      if (patience.leftMs <= 0) break;
    } else if (silentMs >= silenceMs || patience.waitedMs > hostLimits.restMostMs) break;
    // What is missing behind the silence may never come.
    const isLate = silentMs >= silenceMs && missing();
    await pump.turns(isLate ? turnMs : Math.min(turnMs, Math.max(1, silenceMs - silentMs)), () => isLate && !missing());
  }
  const believed = stop.streams.filter(({ cpu }) => ![...absurd].some((reader) => reader.cpu === cpu));
  return {
    stop: { ...stop, streams: believed },
    wrong: whatIsWrong(theGuest(session.guest), readers, absurd, bounds.bySize),
  };
}

function whatIsWrong(
  who: string,
  readers: readonly DataPortReader[],
  absurd: ReadonlySet<DataPortReader>,
  bySize: boolean,
): string | undefined {
  if (bySize) {
    const surplus = readers.reduce((sum, reader) => sum + reader.surplus, 0);
    if (surplus > 0) log.warn(`${surplus} bytes that ${who} still had when the size was reached are left out`);
  }
  const [liar] = [...absurd, ...(bySize ? [] : readers.filter(({ surplus }) => surplus > 0))];
  return liar === undefined
    ? undefined
    : `CPU ${liar.cpu}: at its stop ${who} announces or sends more than its ring buffer can hold`;
}

function positionOf(streams: readonly StreamPosition[], cpu: number): number {
  return streams.find((stream) => stream.cpu === cpu)?.bytes ?? 0;
}
