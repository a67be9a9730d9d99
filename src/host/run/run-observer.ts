/** Who cuts a run's streams while it goes on: keeps them in pieces, and asks for counters and task names at a cut. */
import type { HelloReply, StartReply, StatusReply } from "../../protocol/replies.ts";
import type { ClockBurst } from "../../trace-dat/spool/clock-bursts.ts";
import type { SpoolEnd } from "../../trace-dat/spool/spool-fields.ts";
import type { DataPortReader } from "./data-port-reader.ts";
import type { CutCounters, GuestFacts } from "./run-sink.ts";

export type RunObserver = {
  /** The size of the pieces that the streams are to lie in. */
  begin: (facts: GuestFacts, readers: readonly DataPortReader[]) => number;
  /** A piece of a CPU's stream is begun: those before it are full. */
  pieceBegins: (cpu: number, index: number) => void;
  started: (run: {
    hello: HelloReply;
    before: StatusReply;
    start: StartReply;
    vcpus: readonly number[] | undefined;
  }) => void;
  burst: (burst: ClockBurst) => void;
  /** The data ports are not read as long as this is true: what was received must become less on the disk first. */
  isFull: () => boolean;
  /** Counters are wanted now. */
  wantsCounters: () => boolean;
  counters: (counters: CutCounters | undefined) => void;
  ended: (end: SpoolEnd) => void;
  finalMetadata: (body: Uint8Array) => void;
};
