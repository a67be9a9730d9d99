/**
 * Puts the recordings of a session on one timeline, before their files are made: each guest on the host's clock, by the round
 * trips that its spool keeps, refined where the host's recording has the switches of its vCPU threads. Where a guest's clock stepped its
 * recording is divided, and each part placed by itself. Nothing that fails here keeps a file from being made: then the guest's times are
 * its own, and the reason is told.
 */
import { type EndRequest, letEventsThrough } from "../../base/end-request.ts";
import { messageOf } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import type { Synchronisation } from "../../timeline/sync/synchronise.ts";
import { synchroniseAll } from "../../timeline/sync/synchronise-all.ts";
import { toldOffset } from "../../timeline/sync/told-offset.ts";
import { clockOf } from "../../tracefs/trace-clocks.ts";
import type { GuestMap } from "../../events/trace-metadata.ts";
import { spooledRecording } from "../../trace-dat/spool/finish.ts";
import { recordingSource } from "../../trace-dat/spool/source.ts";
import { type GuestPart, type Host, openGuest, type PlacedPart, shiftedBy } from "./guest-parts.ts";
import type { Unfinished } from "./unfinished.ts";

export type { PlacedPart } from "./guest-parts.ts";

/** By recording its parts, of which there is one where its clock did not step. */
export type Placed = ReadonlyMap<Unfinished, readonly PlacedPart[]>;

export async function placeMachines(unfinished: readonly Unfinished[], end: EndRequest): Promise<Placed> {
  const placed = new Map<Unfinished, readonly PlacedPart[]>();
  const guests = unfinished.filter(({ machine }) => machine.kind === "guest");
  const hostsOwn = unfinished.find(({ machine }) => machine.kind === "host");
  const host = hostsOwn === undefined ? undefined : attempt(hostsOwn, () => openHost(hostsOwn));
  // One guest alone has nothing to be placed beside.
  if (guests.length === 0 || unfinished.length < 2) return placed;
  const maps: GuestMap[] = [];
  const opened = new Map<Unfinished, readonly GuestPart[]>();
  for (const guest of guests) {
    await letEventsThrough();
    // Then no file is made.
    if (end.count > 0) break;
    const parts = attempt(guest, () => openGuest(guest, host)) ?? [];
    const tasks = parts[0]?.tasks ?? [];
    maps.push({ name: guest.machine.name, traceId: BigInt(guest.recording.traceId ?? 0), tasks });
    opened.set(guest, parts);
  }
  const all = [...opened].flatMap(([of, parts]) => parts.map((part) => ({ of, part })));
  if (host !== undefined) await placeTogether(host, all, end);
  for (const [guest, parts] of opened)
    placed.set(
      guest,
      parts.length === 0
        ? [unreadable]
        : parts.map(({ placed: own, about }) => own ?? Object.assign({}, about, unreadable)),
    );
  if (hostsOwn !== undefined) placed.set(hostsOwn, [{ timeline: { guests: maps } }]);
  host?.source.close();
  return placed;
}

const unreadable: PlacedPart = {
  timeline: {},
  offset: { method: "unknown", reason: "its recording cannot be read" },
};

/** By causality; in steps, between which signals are seen. */
async function placeTogether(
  host: Host,
  guests: readonly { of: Unfinished; part: GuestPart }[],
  end: EndRequest,
): Promise<void> {
  const asked = guests.flatMap(({ of, part }) =>
    part.toPlace === undefined ? [] : [{ of, part, toPlace: part.toPlace }],
  );
  try {
    const steps = synchroniseAll(
      host.source,
      asked.map(({ toPlace }) => toPlace),
    );
    let step = steps.next();
    for (; step.done !== true; step = steps.next()) {
      await letEventsThrough();
      if (end.count > 0) return;
    }
    for (const [index, outcome] of step.value.entries()) {
      const { of, part } = asked[index] ?? {};
      if (of === undefined || part === undefined) continue;
      part.placed = attempt(of, () => {
        if ("error" in outcome) throw outcome.error;
        return { ...part.about, ...placedBy(outcome.placed, host, part.tasks.length) };
      });
    }
  } finally {
    for (const { toPlace } of asked) toPlace.source.close();
  }
}

function placedBy(found: Synchronisation, host: Host, cpus: number): PlacedPart {
  return { timeline: shiftedBy(found.samples, host, cpus), offset: toldOffset(found) };
}

function openHost({ spool }: Unfinished): Host {
  const { recording } = spooledRecording(spool);
  const { metadata, traceId } = recording;
  return { source: recordingSource(recording), clock: clockOf(metadata), traceId };
}

function attempt<T>({ machine }: Unfinished, work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    log.warn(`${machine.name}: cannot be placed on the host's clock: ${messageOf(error)}`);
    return undefined;
  }
}
