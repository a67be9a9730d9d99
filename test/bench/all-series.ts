/** The series in the order in which they run. */
import { absent } from "./series/absent.ts";
import { cut } from "./series/cut.ts";
import { drain } from "./series/drain.ts";
import { guest } from "./series/guest.ts";
import { idle } from "./series/idle.ts";
import { latency } from "./series/latency.ts";
import { many } from "./series/many.ts";
import { memory } from "./series/memory.ts";
import { metadata } from "./series/metadata.ts";
import { metadataInGuest } from "./series/metadata-guest.ts";
import { overhead } from "./series/overhead.ts";
import { parquet } from "./series/parquet.ts";
import { reading } from "./series/reading.ts";
import { record } from "./series/record.ts";
import { report } from "./series/report.ts";
import { snapshot } from "./series/snapshot.ts";
import { start } from "./series/start.ts";
import { steady } from "./series/steady.ts";
import { sync } from "./series/sync.ts";
import { traceCmdRecord } from "./series/trace-cmd.ts";
import { triggers } from "./series/triggers.ts";
import type { Series } from "./support/series.ts";

export const allSeries: readonly Series[] = [
  drain,
  steady,
  guest,
  overhead,
  idle,
  absent,
  latency,
  memory,
  metadata,
  metadataInGuest,
  start,
  many,
  cut,
  snapshot,
  triggers,
  record,
  traceCmdRecord,
  report,
  reading,
  parquet,
  sync,
];
