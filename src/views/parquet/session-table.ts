/** What is told of a recording: the row of the table session, and the same words in the footer of each of its files. */
import { version } from "../../base/version.ts";
import { foreignText } from "../../base/foreign-text.ts";
import type { TraceMetadata } from "../../events/trace-metadata.ts";
import { clockOf } from "../../tracefs/trace-clocks.ts";
import type { Column } from "./column.ts";
import { TimeColumn } from "./number-columns.ts";
import type { OpenTable } from "./scheduling-tables.ts";
import type { SessionPlace } from "./session-files.ts";
import { TextColumn } from "./text-column.ts";

/** Of tables, columns and their meaning: raised when one of them changes. What is only added does not raise it. */
const schemaVersion = 1;

export type SessionFacts = {
  place: SessionPlace;
  metadata: TraceMetadata;
  cpus: number;
  /** Of events, in ns of its clock; undefined without any. */
  start: bigint | undefined;
  end: bigint | undefined;
  /** Added to a time it gives UTC, and where it is from. */
  utc: { offset: bigint; from: string } | undefined;
  events: number;
  lost: ReadonlyMap<number, { events: number; unknown: number }>;
  damaged: number;
};

type Facts = Record<string, string | bigint | undefined>;

function factsOf({ place, metadata, cpus, start, end, utc, events, lost, damaged }: SessionFacts): Facts {
  const counts = [...lost].sort(([a], [b]) => a - b);
  const sum = (key: "events" | "unknown"): bigint => BigInt(counts.reduce((all, [, count]) => all + count[key], 0));
  return {
    session: place.session,
    segment: BigInt(place.segment),
    buffer: place.buffer,
    host_name: place.host,
    guest_name: place.guest,
    kernel: foreignText(metadata.uname),
    clock: foreignText(clockOf(metadata)),
    cpus: BigInt(cpus),
    utc_offset: utc?.offset,
    utc_from: utc?.from,
    start,
    end,
    events: BigInt(events),
    lost: sum("events"),
    lost_uncounted: sum("unknown"),
    lost_by_cpu: JSON.stringify(Object.fromEntries(counts.map(([cpu, count]) => [cpu, count.events]))),
    damaged: BigInt(damaged),
    trace_id: metadata.traceId === undefined ? undefined : metadata.traceId.toString(16).padStart(16, "0"),
    tool: `trace-agent ${version}`,
    schema: BigInt(schemaVersion),
  };
}

/** What is not known is left out. */
export function keyValuesOf(session: SessionFacts, table: string, guest: string): Map<string, string> {
  const facts: Facts = { ...factsOf(session), table, guest_name: guest };
  const known = Object.entries(facts).filter(([, value]) => value !== undefined && value !== "");
  return new Map(known.map(([key, value]) => [`trace_agent.${key}`, String(value)]));
}

const textKeys = new Set([
  "session",
  "buffer",
  "host_name",
  "guest_name",
  "kernel",
  "clock",
  "utc_from",
  "lost_by_cpu",
  "trace_id",
  "tool",
]);

export function writeSession(session: SessionFacts, tables: OpenTable): void {
  const facts = factsOf(session);
  const columns = Object.entries(facts).map(([key, value]): { column: Column; set: (row: number) => void } => {
    if (textKeys.has(key)) {
      const column = new TextColumn(key);
      return {
        column,
        set: (row) => column.setText(row, value === undefined || value === "" ? undefined : String(value)),
      };
    }
    // One row: the number is the epoch, so that all its bits are kept.
    const column = new TimeColumn(key, typeof value === "bigint" ? value : 0n);
    return { column, set: (row) => void (column.values[row] = value === undefined ? NaN : 0) };
  });
  const table = tables.open(
    "session",
    columns.map(({ column }) => column),
  );
  const row = table.next;
  for (const { set } of columns) set(row);
  table.rows = row + 1;
  tables.added(table);
}
