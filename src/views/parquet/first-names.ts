/**
 * Names of tasks as events tell them. A recording may name a task long after its first event: so all of it is read once before
 * its rows are written, for the first name of each task. What saved_cmdlines says may be that of an earlier task of the pid.
 */
import type { EventCatalog } from "../../events/event-catalog.ts";
import { EventRecord } from "../../events/event-record.ts";
import { CpuEvents, blockBytesFor } from "../../timeline/event-merge.ts";
import type { TraceSource } from "../../trace-dat/trace-source.ts";
import { parquetLimits } from "./limits.ts";
import { NamingScan } from "./naming-scan.ts";
import { SeenPids } from "./seen-pids.ts";
import { type Telling, tellingEvents, type Told } from "./telling-events.ts";

/**
 * Gives the catalog the first name of each task that the recording's events tell. Each CPU is read for itself. `isQuick`: of a sub-buffer
 * that tells nothing new only the first event is read; false is for tests.
 */
export function learnFirstNames(source: TraceSource, catalog: EventCatalog, first: bigint, isQuick = true): void {
  const events = tellingEvents(catalog, "naming");
  if (events.length === 0) return;
  const { layout } = source.metadata;
  const scan = isQuick ? NamingScan.of(events, catalog.typeOffset, layout) : undefined;
  const found = new Map<number, FirstName>();
  const readers = source.open();
  const block = blockBytesFor(1);
  for (const reader of readers) {
    const cpu = new CpuEvents(reader, layout, first, {}, undefined, block);
    readNames(cpu, { catalog, events, scan, found });
  }
  for (const [pid, { name }] of found) catalog.tasks.rename(pid, name, 0, name.length);
}

type FirstName = { stamp: number; name: Uint8Array };
type Reading = {
  catalog: EventCatalog;
  events: Telling;
  scan: NamingScan | undefined;
  found: Map<number, FirstName>;
};

function readNames(cpu: CpuEvents, { catalog, events, scan, found }: Reading): void {
  const record = new EventRecord();
  const seen = new SeenPids();
  const { cursor } = cpu;
  for (let begun = 0; cpu.next();) {
    if (record.view !== cpu.view) record.attach(cpu.view);
    record.at = cursor.dataOffset;
    record.size = cursor.dataBytes;
    const kind = catalog.kindOf(record);
    const told = kind === undefined ? undefined : events[kind.format.id];
    if (told !== undefined && kind !== undefined && record.size >= kind.format.minBytes)
      for (const one of told) {
        const pid = one.pid(record);
        if (!seen.has(pid)) note(found, pid, cpu.timestamp, record, one);
      }
    if (begun === cpu.subBuffers) continue;
    begun = cpu.subBuffers;
    if (scan?.mayName(cpu.bytes, cursor, seen) === false) cursor.skip();
  }
}

function note(
  found: Map<number, FirstName>,
  pid: number,
  stamp: number,
  { bytes, at }: EventRecord,
  { offset, size }: Told,
): void {
  const known = found.get(pid);
  if (known === undefined ? found.size >= parquetLimits.firstNames : known.stamp <= stamp) return;
  found.set(pid, { stamp, name: bytes.slice(at + offset, at + offset + size) });
}
