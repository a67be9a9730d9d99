/**
 * Puts the recordings of a session on one timeline, before their files are made: each guest on the host's clock, by the round
 * trips that its spool keeps, refined where the host's recording has the switches of its vCPU threads. Nothing that fails here
 * keeps a file from being made: then the guest's times are its own, and the reason is told.
 */
import { type EndRequest, letEventsThrough } from "../../base/end-request.ts";
import { messageOf } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import type { TimeSample } from "../../events/trace-metadata.ts";
import { placeByBursts } from "../../timeline/sync/bursts-alone.ts";
import { searchOffset, type Searched } from "../../timeline/sync/search-offset.ts";
import { knownFromBursts } from "../../timeline/sync/spooled-bursts.ts";
import type { GuestToPlace, KnownOffset, Synchronisation } from "../../timeline/sync/synchronise.ts";
import { synchroniseAll } from "../../timeline/sync/synchronise-all.ts";
import { toldOffset, toldSteps } from "../../timeline/sync/told-offset.ts";
import { clockOf } from "../../tracefs/trace-clocks.ts";
import type { SessionOffset } from "../../trace-dat/session/session-file.ts";
import { type ReadableClock, readableClocks } from "../../trace-dat/spool/clock-bursts.ts";
import { spooledRecording, type SpooledRecording, type TimelineParts } from "../../trace-dat/spool/finish.ts";
import { recordingSource } from "../../trace-dat/spool/source.ts";
import type { TraceSource } from "../../trace-dat/trace-source.ts";
import type { Unfinished } from "./unfinished.ts";

export type Placed = { readonly timeline: TimelineParts; readonly offset?: SessionOffset };

type Host = { readonly source: TraceSource; readonly clock: string; readonly traceId: bigint };

/** A guest, and what is known of its offset without its events. */
type Guest = { readonly of: Unfinished; readonly tasks: readonly number[]; readonly cpus: number } & (
  | { readonly placed: Placed }
  | { readonly toPlace: GuestToPlace }
);

export async function placeMachines(
  unfinished: readonly Unfinished[],
  end: EndRequest,
): Promise<ReadonlyMap<Unfinished, Placed>> {
  const placed = new Map<Unfinished, Placed>();
  const guests = unfinished.filter(({ machine }) => machine.kind === "guest");
  const hostsOwn = unfinished.find(({ machine }) => machine.kind === "host");
  const host = hostsOwn === undefined ? undefined : attempt(hostsOwn, () => openHost(hostsOwn));
  // One guest alone has nothing to be placed beside.
  if (guests.length === 0 || unfinished.length < 2) return placed;
  const maps: NonNullable<TimelineParts["guests"]>[number][] = [];
  const toPlace: (Guest & { toPlace: GuestToPlace })[] = [];
  for (const guest of guests) {
    await letEventsThrough();
    // Then no file is made.
    if (end.count > 0) break;
    const found = attempt(guest, () => openGuest(guest, host));
    maps.push({ name: guest.machine.name, traceId: BigInt(guest.recording.traceId ?? 0), tasks: found?.tasks ?? [] });
    if (found === undefined) placed.set(guest, unreadable);
    else if ("placed" in found) placed.set(guest, found.placed);
    else toPlace.push(found);
  }
  if (host !== undefined) await placeTogether(host, toPlace, placed, end);
  if (hostsOwn !== undefined) placed.set(hostsOwn, { timeline: { guests: maps } });
  host?.source.close();
  return placed;
}

const unreadable: Placed = {
  timeline: {},
  offset: { method: "unknown", reason: "its recording cannot be read" },
};

/** By causality; in steps, between which signals are seen. */
async function placeTogether(
  host: Host,
  guests: readonly (Guest & { toPlace: GuestToPlace })[],
  placed: Map<Unfinished, Placed>,
  end: EndRequest,
): Promise<void> {
  try {
    const steps = synchroniseAll(
      host.source,
      guests.map(({ toPlace }) => toPlace),
    );
    let step = steps.next();
    for (; step.done !== true; step = steps.next()) {
      await letEventsThrough();
      if (end.count > 0) return;
    }
    for (const [index, outcome] of step.value.entries()) {
      const guest = guests[index];
      if (guest === undefined) continue;
      const found = attempt(guest.of, () => {
        if ("error" in outcome) throw outcome.error;
        return placedBy(outcome.placed, host, guest.cpus);
      });
      placed.set(guest.of, found ?? unreadable);
    }
  } finally {
    for (const { toPlace } of guests) toPlace.source.close();
  }
}

function placedBy(found: Synchronisation, host: Host, cpus: number): Placed {
  return { timeline: shiftedBy(found.samples, host, cpus), offset: toldOffset(found) };
}

/** `cpus`: all of which have the same samples. */
function shiftedBy(samples: readonly TimeSample[], host: Host | undefined, cpus: number): TimelineParts {
  if (samples.length === 0) return {};
  return {
    timeShift: {
      hostTraceId: host?.traceId ?? 0n,
      interpolated: samples.length > 1,
      samples: Array.from({ length: cpus }, () => samples),
    },
  };
}

function openHost({ spool }: Unfinished): Host {
  const { recording } = spooledRecording(spool);
  const { metadata, traceId } = recording;
  return { source: recordingSource(recording), clock: clockOf(metadata), traceId };
}

function openGuest(of: Unfinished, host: Host | undefined): Guest {
  const spooled = spooledRecording(of.spool);
  const { recording, session } = spooled;
  const tasks = Array.from({ length: recording.cpus }, (_, cpu) => session.vcpus?.[cpu] ?? -1);
  const guest = { of, tasks, cpus: recording.cpus };
  const bursts = of.spool.readBursts();
  // Without a host, on the clock of this machine.
  const clock = host === undefined ? (readable(bursts[0]?.clock ?? "") ?? "mono_raw") : readable(host.clock);
  const told = clock === undefined ? undefined : knownFromBursts(bursts, clock);
  const searched = told === undefined && host !== undefined ? search(host, spooled, tasks) : undefined;
  const known = told ?? searched?.known;
  if (known === undefined) {
    const reason = `${whyUnknown(spooled, host)}${searched === undefined ? "" : `, and ${searched.reason}`}`;
    return { ...guest, placed: { timeline: {}, offset: { method: "unknown", reason } } };
  }
  if (host === undefined) return { ...guest, placed: placedAlone(known, guest.cpus) };
  // The times of its events are all that is asked for: of many guests only that is held.
  const { uname, cpus, cpuStats, traceClock = "" } = recording.metadata;
  const source = recordingSource({ ...recording, metadata: { uname, cpus, cpuStats, traceClock, formats: [] } });
  return { ...guest, toPlace: { source, tasks, known } };
}

/** Where no clock tells it, the switches of the vCPU threads may. */
function search(host: Host, { recording }: SpooledRecording, tasks: readonly number[]): Searched {
  const source = recordingSource(recording);
  try {
    return searchOffset(host.source, source, tasks);
  } finally {
    source.close();
  }
}

function placedAlone(known: KnownOffset, cpus: number): Placed {
  const { samples, boundNs } = placeByBursts(known);
  return {
    timeline: shiftedBy(samples, undefined, cpus),
    offset: {
      ns: `${samples[0]?.offset ?? 0n}`,
      samples: samples.length,
      boundNs,
      method: "round trips",
      reason: "the host was not recorded with it",
      ...stepsOf(known),
    },
  };
}

function stepsOf({ steps = [], guestEpoch }: KnownOffset): Pick<SessionOffset, "steps"> {
  const absolute = (time: number): bigint => guestEpoch + BigInt(Math.round(time));
  return toldSteps(steps.map(({ from, to, by }) => ({ from: absolute(from), to: absolute(to), by })));
}

function readable(clock: string): ReadableClock | undefined {
  return readableClocks.find((known) => known === clock);
}

function whyUnknown({ recording, session }: SpooledRecording, host: Host | undefined): string {
  const clock = clockOf(recording.metadata);
  if (session.hello === undefined) return "its agent does not answer";
  if (host !== undefined && readable(host.clock) === undefined)
    return `no program can read the host's trace clock ${host.clock}`;
  if (!session.hello.words.includes("clock"))
    return "its trace-agent is older and does not tell its clocks, nor do its counters";
  if (readable(clock) === undefined) return `no program can read its trace clock ${clock}, and no counter tells it`;
  return "its agent did not answer when its clocks were asked for";
}

function attempt<T>({ machine }: Unfinished, work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    log.warn(`${machine.name}: cannot be placed on the host's clock: ${messageOf(error)}`);
    return undefined;
  }
}
