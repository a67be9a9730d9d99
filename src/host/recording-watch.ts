/**
 * Watches a recording: asks the guest for its counters, knows when it is to end, and notices when the guest is no longer the
 * one that was started.
 */
import { describeErrno } from "../../ffi/errno.ts";
import { limits } from "../limits.ts";
import type { StartReply, StatusReply } from "../protocol/replies.ts";
import type { Session } from "./session.ts";

/** When a recording ends by itself. */
export type RecordLimits = { seconds?: number | undefined; bytes?: number | undefined };

/** `trouble`: nobody asked for this end. `guestLost`: the agent that was started is gone. */
export type End = { trouble?: string; guestLost?: boolean };

export class RecordingWatch {
  ended: End | undefined;
  readonly begunMs = performance.now();
  readonly session: Session;
  readonly #start: StartReply | undefined;
  readonly #until: RecordLimits;
  #askedMs = 0;
  #answered = true;
  #seen: StatusReply | undefined;
  #first: StatusReply | undefined;
  #before: { status: StatusReply; atMs: number } | undefined;
  #eventsPerSecond: number | undefined;
  #behind: number[] = [];

  /** `start` undefined: an agent that answers nothing. */
  constructor(session: Session, start: StartReply | undefined, until: RecordLimits) {
    this.session = session;
    this.#start = start;
    this.#until = until;
    session.lastStatus = undefined;
  }

  get elapsedMs(): number {
    return performance.now() - this.begunMs;
  }

  /** Undefined until the guest told. */
  get eventsPerSecond(): number | undefined {
    return this.#eventsPerSecond;
  }

  /** Events that the guest lost since the recording began, as far as it told. */
  get lost(): number | undefined {
    if (this.#seen === undefined || this.#first === undefined) return undefined;
    return lostEvents(this.#seen) - lostEvents(this.#first);
  }

  /** CPUs that lost events lately: their data do not get away fast enough. */
  get behind(): readonly number[] {
    return this.#behind;
  }

  /** Since when the guest does not answer, in ms; 0 when it does. */
  get silentMs(): number {
    return this.#start === undefined || this.#answered ? 0 : performance.now() - this.#askedMs;
  }

  look(): void {
    const { pump } = this.session;
    const { seconds, bytes } = this.#until;
    if (pump.full !== undefined) this.ended = { trouble: `the spool takes no more: ${describeErrno(pump.full.failure)}` };
    else if (pump.controlGone || pump.streams.every(({ gone }) => gone)) this.ended = { trouble: "the VM has ended", guestLost: true };
    else if (seconds !== undefined && this.elapsedMs >= seconds * 1000) this.ended = {};
    else if (bytes !== undefined && pump.received >= bytes) this.ended = {};
    else if (this.#start !== undefined) this.#lookAtStatus(this.#start);
  }

  #lookAtStatus(start: StartReply): void {
    const now = performance.now();
    const status = this.session.lastStatus;
    if (status !== undefined && status !== this.#seen) {
      this.#answered = true;
      if (isAnother(start, this.#seen, status)) {
        this.ended = { trouble: "the guest's agent started anew (the guest booted again?)", guestLost: true };
        return;
      }
      this.#note(status, now);
    }
    const waitMs = this.#answered ? limits.statusEveryMs : limits.statusRepeatMs;
    if (now - this.#askedMs < waitMs) return;
    this.#askedMs = now;
    this.#answered = false;
    try {
      this.session.send("status");
    } catch {
      // The port takes nothing now: the guest boots, or hangs. The next look asks again.
    }
  }

  #note(status: StatusReply, now: number): void {
    this.#first ??= status;
    if (this.#before !== undefined) {
      const { status: earlier, atMs } = this.#before;
      this.#eventsPerSecond = ((written(status) - written(earlier)) * 1000) / Math.max(now - atMs, 1);
      this.#behind = status.cpus
        .filter(({ cpu, overrun }) => overrun > (earlier.cpus.find((other) => other.cpu === cpu)?.overrun ?? overrun))
        .map(({ cpu }) => cpu);
    }
    this.#seen = status;
    this.#before = { status, atMs: now };
  }
}

/** A new life of the agent: armed although it was started and not stopped, or streams that have become shorter. */
function isAnother(start: StartReply, earlier: StatusReply | undefined, now: StatusReply): boolean {
  if (now.state !== "running") return true;
  const before = earlier?.cpus ?? start.streams;
  return now.cpus.some(({ cpu, bytes }) => bytes < (before.find((other) => other.cpu === cpu)?.bytes ?? 0));
}

/** All events that the ring buffers ever took. */
function written({ cpus }: StatusReply): number {
  return cpus.reduce((sum, { entries, overrun, readEvents }) => sum + entries + overrun + readEvents, 0);
}

function lostEvents({ cpus }: StatusReply): number {
  return cpus.reduce((sum, { overrun, commitOverrun, droppedEvents }) => sum + overrun + commitOverrun + droppedEvents, 0);
}
