/** The destination of a run's data: a spool (spool-sink.ts) or a person (live/live-sink.ts). No call blocks. */
import type { HelloReply, StartReply, StatusReply } from "../../protocol/replies.ts";
import type { BodyTarget } from "../../protocol/framed-body.ts";
import type { ClockBurst } from "../../trace-dat/spool/clock-bursts.ts";
import type { SpoolEnd } from "../../trace-dat/spool/spool-fields.ts";
import type { RecordingWatch } from "./recording-watch.ts";
import type { Waiting } from "./session.ts";

/** Where symbols go as they come: they are megabytes, and of many guests at once. `read`: all that was written. */
export type SymbolsStore = BodyTarget & { read: () => Uint8Array };

/**
 * What the guest reported before the start. `body`: of its metadata reply, as received; without symbols where the sink stores them.
 * `latencyMs`: how long an event
 * may wait in the guest; undefined where its agent does not tell.
 */
export type GuestFacts = { hello: HelloReply; body: Uint8Array; latencyMs: number | undefined };

/** `body`: names of tasks and counters of CPUs, for readMetadata(); undefined where the agent does not give them alone. */
export type CutCounters = { status: StatusReply; body: Uint8Array | undefined };

export type RunSink = {
  /** Works without replies, from an agent that does not answer. */
  readonly takesRaw: boolean;
  /** Data may be taken some milliseconds later, with more of it. */
  readonly patient: boolean;
  /** Shown to a user who ended the run before it began. */
  readonly stoppedEarly: string;
  /** Undefined: symbols are held in memory. */
  readonly symbols?: SymbolsStore;
  /** Data from now on belongs to the run. `facts`: undefined where the guest does not answer. */
  begin: (facts: GuestFacts | undefined) => void;
  started: (run: { hello: HelloReply; before: StatusReply; start: StartReply }) => void;
  /** Shows what is due; returns the ms until the next call. */
  turn: (watch: RecordingWatch) => number;
  /** The sink has enough for now: the data ports are not read. */
  full: () => boolean;
  /** The run is about to end. */
  stopping: () => void;
  /** Everything has arrived, or nothing more will. */
  ended: (end: SpoolEnd) => void;
  /** Receives the body of a second metadata reply, taken after the end; undefined if none is wanted. */
  finalMetadata?: (body: Uint8Array) => void;
  /** Receives what round trips tell of the guest's clock, before the start, during the run and after its end; undefined if that is not wanted. */
  burst?: (burst: ClockBurst) => void;
  /** Asked during the run: whether counters are wanted now, which `counters` receives; undefined if they could not be had. */
  wantsCounters?: () => boolean;
  counters?: (counters: CutCounters | undefined) => void;
  /** Called while an answer is waited for; `watch`: once the run has begun. */
  waiting: (waiting: Waiting, watch: RecordingWatch | undefined) => void;
};
