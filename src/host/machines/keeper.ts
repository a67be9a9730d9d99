/** How a recorder of machines keeps what it receives. */
import type { TraceMetadata } from "../../events/trace-metadata.ts";
import type { RecorderStatus, RunningStream, SnapshotRequest, SnapshotResult } from "./running-recorder.ts";

export type Keeper = {
  readonly mode: RecorderStatus["mode"];
  readonly diskBytes: number;
  readonly snapshots: number;
  snapshot(request: SnapshotRequest): Promise<SnapshotResult>;
  /** How many segments or snapshots were made of a machine. */
  filesOf(machine: string): number;
  streamsOf(machine: string): readonly RunningStream[];
  metadataOf(machine: string): TraceMetadata | undefined;
};
