/**
 * What a recorder of machines offers, while it runs, to whoever watches or orders it: triggers, the control socket, metrics.
 * Everything here is read or asked from the same thread; nothing of it blocks.
 */
import type { TraceMetadata } from "../../events/trace-metadata.ts";
import type { SessionMachine } from "../../trace-dat/session/session-file.ts";

/**
 * `trigger`: who asks, as in `signal` or `latency=20ms`; it stands in session.json. `machine`: of which one; undefined: of all.
 * `at`: the time of what happened, by that machine's trace clock, as its sub-buffers have it; undefined: now.
 */
export type SnapshotRequest = { trigger: string; machine?: string | undefined; at?: bigint | undefined };

/** `files`: below the directory. Not taken: why, as in "one is being taken", and what to do, where there is something. */
export type SnapshotResult =
  | { taken: true; files: readonly { machine: string; file: string; bytes: number }[] }
  | { taken: false; reason: string; remedy?: string };

/** A stream of one CPU as far as it is on the disk: positions count all bytes that came since the recording began. */
export type RunningStream = {
  readonly cpu: number;
  /** Whole sub-buffers from here ... */
  readonly from: number;
  /** ... to here are there. */
  readonly to: number;
  /** Fills `target` from `position` on; fewer bytes at the end, 0 also for what is not there any more. */
  readAt(target: Uint8Array, position: number): number;
};

export type RunningMachine = {
  /** The same as long as its recording is: one that comes back has another. */
  readonly recording: object;
  readonly name: string;
  readonly kind: SessionMachine["kind"];
  /** "waiting": for its agent, or for the others; "ended": see `trouble`; "refused": it is not recorded, see `trouble`. */
  readonly state: "waiting" | "recording" | "ended" | "refused";
  /** Why it ended, if not by request; why it is not recorded. */
  readonly trouble: string | undefined;
  readonly receivedBytes: number;
  /** Events that it lost since the recording began; undefined where it does not tell. */
  readonly lostEvents: number | undefined;
  /** By CPU, its trace time when the recording began, where its agent tells it: earlier events lay in the ring buffer. */
  readonly since: ReadonlyMap<number, bigint>;
  /** Segments or snapshots that were made of it; 0 where it is to be one file at the end. */
  readonly files: number;
  /** How long it has not answered. */
  readonly silentMs: number;
  /** As it was told before the start: formats, names, the layout of sub-buffers. Undefined before that. */
  metadata(): TraceMetadata | undefined;
  streams(): readonly RunningStream[];
};

export type RecorderStatus = {
  /** Of the session, absolute. */
  readonly directory: string;
  /** whole: files at the end; segments: --rotate; ring: --last. */
  readonly mode: "whole" | "segments" | "ring";
  /** UTC. */
  readonly started: string;
  /** All that lies in the directory. */
  readonly diskBytes: number;
  readonly snapshots: number;
};

export type RunningRecorder = {
  readonly machines: readonly RunningMachine[];
  status(): RecorderStatus;
  /** Of a ring: what led to this moment, in a file of its own. Of segments: begins the next one. */
  snapshot(request: SnapshotRequest): Promise<SnapshotResult>;
  /** Ends the recording, as Ctrl-C does. */
  stop(): void;
};
