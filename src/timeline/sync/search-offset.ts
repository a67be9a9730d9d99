/** Searches for the offset of two recordings of which nothing is known. */
import { withParts } from "../../events/trace-metadata.ts";
import type { TraceSource } from "../../trace-dat/trace-source.ts";
import { EventIterator } from "../event-iterator.ts";
import { timelineLimits } from "../limits.ts";
import { coarseOffset, type SearchEvent } from "./coarse-search.ts";
import { HostSwitches } from "./host-slices.ts";
import type { KnownOffset } from "./synchronise.ts";

/** Where in the guest's recording events are taken from, by tries: the two may overlap in a part only. */
const places = [0.5, 0.25, 0.75];

/** `reason`: why no offset is known. */
export type Searched = { readonly known: KnownOffset | undefined; readonly reason: string };

/** `most`: switches of the guest's threads that are searched. */
export function searchOffset(
  host: TraceSource,
  guest: TraceSource,
  tasks: readonly number[],
  most = 2 * timelineLimits.searchSlices,
): Searched {
  if (tasks.every((task) => task <= 0)) return { known: undefined, reason: "the threads of its vCPUs are not known" };
  const unshifted = { ...guest, metadata: withParts(guest.metadata, { timeShift: undefined }) };
  const switches = new HostSwitches(host);
  const slices = switches.slicesOf(tasks);
  switches.readTo(Infinity, most);
  if (slices.switches === 0) return { known: undefined, reason: "no sched_switch of its vCPU threads on the host" };
  const last = lastTime(new EventIterator(unshifted));
  // Of a long recording the beginning is searched: both mostly began together.
  const end = slices.switches < most ? last : Math.min(last, slices.end - slices.begin);
  let events = 0;
  for (const place of places) {
    const iterator = new EventIterator(unshifted);
    const sample = sampleAt(iterator, end * place, tasks);
    events = Math.max(events, sample.length);
    const found = coarseOffset(sample, slices);
    if (found === undefined) continue;
    // Of times that count from the guest's epoch, to absolute ones.
    const between = Number(slices.epoch - iterator.epoch);
    const range = { low: found.low + between, high: found.high + between };
    return { known: { range: () => range, guestEpoch: iterator.epoch }, reason: "" };
  }
  const { syncLeastEvents } = timelineLimits;
  const reason = events < syncLeastEvents ? "its events are too few" : "no offset fits its events clearly";
  return { known: undefined, reason };
}

function lastTime(events: EventIterator): number {
  while (events.next());
  return events.record.timestamp;
}

/** Events from `begin` on, apart from each other, of vCPUs whose threads are known. */
function sampleAt(events: EventIterator, begin: number, tasks: readonly number[]): SearchEvent[] {
  const sample: SearchEvent[] = [];
  const { searchEvents, searchApartEventsNs } = timelineLimits;
  let next = begin;
  while (sample.length < searchEvents && events.next()) {
    const { cpu, timestamp: time } = events.record;
    if (time < next || (tasks[cpu] ?? -1) <= 0) continue;
    sample.push({ cpu, time });
    next = time + searchApartEventsNs;
  }
  return sample;
}
