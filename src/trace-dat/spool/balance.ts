/**
 * Whether a recording balances: per CPU, what the guest's kernel counted as read from its ring buffer against what
 * was received. The difference was lost in transit, or another reader of the same ring buffer took it.
 *
 *     written = received + overrun + commit overrun + dropped + lost in transit + taken by another reader + not served
 */
import { counted } from "../../base/plural.ts";
import type { CpuStatus, StartReply, StatusReply, StopReply } from "../../protocol/replies.ts";

/** What was received of one CPU. `damaged`: part of it is unreadable, so `events` is too small. */
export type Received = { cpu: number; bytes: number; events: number; damaged: boolean };

export type CpuBalance = {
  cpu: number;
  /** The kernel's counts in this recording; undefined if unknown, or if they were reset meanwhile. */
  counted: { read: number; overrun: number; commitOverrun: number; dropped: number } | undefined;
  /** Bytes that left the ring buffer and were not received, and the events in them as far as counted. */
  transitBytes: number;
  transitEvents: number;
  /** Events that another reader took. */
  taken: number;
  /** An online CPU whose events stayed in the guest: how many, and why. */
  notServed: { events: number; reason: string } | undefined;
};

/** Those of `before`, `start`, `stop`, `after` that the guest reported. */
export type GuestCounts = {
  before: StatusReply | undefined;
  start: StartReply | undefined;
  stop: StopReply | undefined;
  after: StatusReply | undefined;
};

/** An event with its header has at least this many bytes, which bounds the number of events. */
const eventMinBytes = 8;

/** By CPU; `received` has an entry for every CPU whose port the host reads. */
export function balanceOf({ before, start, stop, after }: GuestCounts, received: readonly Received[]): CpuBalance[] {
  const ours = new Map(received.map((entry) => [entry.cpu, entry]));
  const cpus = new Set([...ours.keys(), ...(after?.cpus ?? []).map(({ cpu }) => cpu)]);
  for (const { cpu } of stop?.notServed ?? []) cpus.add(cpu);
  return [...cpus]
    .sort((a, b) => a - b)
    .map((cpu) => {
      const [earlier, later] = [of(before?.cpus, cpu), of(after?.cpus, cpu)];
      const came = ours.get(cpu) ?? { cpu, bytes: 0, events: 0, damaged: false };
      const counted = countedBetween(earlier, later);
      const refused = (of(stop?.streams, cpu)?.lostBytes ?? 0) - (earlier?.lostBytes ?? 0);
      const toldBytes = (of(stop?.streams, cpu)?.bytes ?? 0) - (of(start?.streams, cpu)?.bytes ?? 0);
      const transitBytes = Math.max(0, refused) + (ours.has(cpu) ? Math.max(0, toldBytes - came.bytes) : 0);
      const notServed = unserved(stop, later, ours.has(cpu), cpu, counted?.read ?? 0);
      const missing = counted === undefined || came.damaged || !ours.has(cpu) ? 0 : counted.read - came.events;
      const transitEvents = Math.min(Math.max(0, missing), Math.floor(transitBytes / eventMinBytes));
      return { cpu, counted, transitBytes, transitEvents, taken: Math.max(0, missing - transitEvents), notServed };
    });
}

function of<T extends { cpu: number }>(list: readonly T[] | undefined, cpu: number): T | undefined {
  return list?.find((entry) => entry.cpu === cpu);
}

/** Counts that became smaller were reset: the ring buffer was emptied, resized or given another clock. */
function countedBetween(before: CpuStatus | undefined, after: CpuStatus | undefined): CpuBalance["counted"] {
  if (before === undefined || after === undefined) return undefined;
  const counted = {
    read: after.readEvents - before.readEvents,
    overrun: after.overrun - before.overrun,
    commitOverrun: after.commitOverrun - before.commitOverrun,
    dropped: after.droppedEvents - before.droppedEvents,
  };
  return Object.values(counted).some((count) => count < 0) ? undefined : counted;
}

function unserved(
  stop: StopReply | undefined,
  after: CpuStatus | undefined,
  ours: boolean,
  cpu: number,
  read: number,
): CpuBalance["notServed"] {
  const told = of(stop?.notServed, cpu);
  if (told !== undefined) return { events: told.events, reason: told.reason };
  if (after === undefined || after.state === "parked") return undefined;
  if (!ours) return { events: after.entries + read, reason: "the host has no port for it" };
  if (stop?.notServed !== undefined || after.port === "open") return undefined;
  return { events: after.entries, reason: after.port === "absent" ? "it has no data port" : "its data port failed" };
}

/** What to do about the first imbalance. */
export function imbalanceRemedy(balances: readonly CpuBalance[]): string {
  if (balances.some(({ notServed }) => notServed !== undefined))
    return "give every CPU a port (trace-agent setup --cpus), and see what its agent says";
  if (balances.some(({ taken }) => taken > 0))
    return "end what else reads there: trace_pipe, trace-cmd, bpftool prog tracelog";
  return "see what its agent says";
}

/** One sentence for each imbalance; none if the recording is complete. */
export function imbalances(balances: readonly CpuBalance[]): string[] {
  return balances.flatMap(({ cpu, transitBytes, transitEvents, taken, notServed }) => {
    const said: string[] = [];
    if (transitBytes > 0) {
      const events = transitEvents > 0 ? ` (${counted(transitEvents, "event")})` : "";
      said.push(`CPU ${cpu}: ${transitBytes} bytes${events} were lost on their way`);
    }
    if (taken > 0) said.push(`CPU ${cpu}: another reader of its ring buffer took ${counted(taken, "event")}`);
    if (notServed !== undefined)
      said.push(
        `CPU ${cpu} was not recorded: ${notServed.reason}; ${counted(notServed.events, "event")} stayed in its ring buffer`,
      );
    return said;
  });
}
