/** A part of a recording that was read to its end, and what was found in it. */
import type { EventIterator } from "../timeline/event-iterator.ts";
import type { RecordedPart } from "../trace-dat/parts.ts";
import type { SchedulingSummary } from "./scheduling/summary.ts";
import type { TraceStatistics } from "./trace-statistics.ts";
import type { HostVcpus } from "./vcpus/host-vcpus.ts";

/** What a summary is made of. `whole`: nothing was selected, so that what the file holds can be held against its own counts. */
export type Summed = {
  part: RecordedPart;
  statistics: TraceStatistics;
  /** Undefined where a part of the tasks or CPUs was selected: then nobody can say who waited for whom. */
  scheduling: SchedulingSummary | undefined;
  /** Of a host that says which tasks ran its guests. */
  vcpus: HostVcpus | undefined;
  iterator: EventIterator;
  whole: boolean;
};
