/**
 * Watches a recording: polls the guest's counters, decides when the recording ends, and notices when the agent is
 * no longer the one that was started.
 */
import { goneText, theGuest } from "../guest-directory.ts";
import { hostLimits } from "../limits.ts";
import type { StartReply, StatusReply } from "../../protocol/replies.ts";
import type { Session } from "./session.ts";

/** When a recording ends by itself. */
export type RecordLimits = { seconds?: number | undefined; bytes?: number | undefined };

/** `trouble`: an end that was not requested. `guestLost`: the agent that was started is gone. */
export type End = { trouble?: string; guestLost?: boolean };

/** `lostBytes`: read from the ring buffer and refused by the port. */
export type CpuLosses = { cpu: number; overrun: number; dropped: number; lostBytes: number };

export class RecordingWatch {
  ended: End | undefined;
  readonly begunMs = performance.now();
  readonly session: Session;
  /** By CPU, its trace time when it began to be read, where the agent tells it. */
  readonly since: ReadonlyMap<number, bigint>;
  readonly #start: StartReply | undefined;
  readonly #until: RecordLimits;
  #askedMs = 0;
  #answered = true;
  /** Time of the first order without an answer. */
  #unansweredMs = 0;
  #seen: StatusReply | undefined;
  readonly #first: StatusReply | undefined;
  #before: { status: StatusReply; atMs: number } | undefined;
  #eventsPerSecond: number | undefined;
  #behind: number[] = [];

  /** `before`: the counters before the start. Both undefined: an agent that does not answer. */
  constructor(session: Session, before: StatusReply | undefined, start: StartReply | undefined, until: RecordLimits) {
    this.session = session;
    this.#first = before;
    this.#start = start;
    this.#until = until;
    session.lastStatus = undefined;
    this.since = new Map(
      (start?.streams ?? []).flatMap(({ cpu, time }) => (time === undefined ? [] : [[cpu, BigInt(time)] as const])),
    );
  }

  /** "12.3 s", "12.3 s of 110 s" where it ends by itself. */
  get elapsedText(): string {
    const { seconds } = this.#until;
    return `${(this.elapsedMs / 1000).toFixed(1)} s${seconds === undefined ? "" : ` of ${seconds} s`}`;
  }

  get elapsedMs(): number {
    return performance.now() - this.begunMs;
  }

  /** As of the guest's last answer; undefined before the first and when it does not answer. */
  get eventsPerSecond(): number | undefined {
    return this.silentMs > hostLimits.statusSilentMs ? undefined : this.#eventsPerSecond;
  }

  /** Events that the guest lost since the recording began, as far as reported. */
  get lost(): number | undefined {
    if (this.#seen === undefined || this.#first === undefined) return undefined;
    return Math.max(0, lostEvents(this.#seen) - lostEvents(this.#first));
  }

  /** By CPU, what the guest lost since the recording began, as far as reported. */
  get losses(): readonly CpuLosses[] {
    return (this.#seen?.cpus ?? []).map(({ cpu, overrun, commitOverrun, droppedEvents, lostBytes }) => {
      const first = this.#first?.cpus.find((one) => one.cpu === cpu);
      const since = (now: number, then: number | undefined): number => Math.max(0, now - (then ?? 0));
      return {
        cpu,
        overrun: since(overrun, first?.overrun),
        dropped: since(commitOverrun + droppedEvents, first && first.commitOverrun + first.droppedEvents),
        lostBytes: since(lostBytes, first?.lostBytes),
      };
    });
  }

  /** CPUs that lost events lately: their data is not moved fast enough. */
  get behind(): readonly number[] {
    return this.#behind;
  }

  /** Time in ms since the guest stopped answering; 0 while it answers. */
  get silentMs(): number {
    if (this.#start === undefined || this.#answered) return 0;
    return performance.now() - Math.max(this.#unansweredMs, this.session.progress?.atMs ?? 0);
  }

  /** Checks whether the recording is to end, and asks for the counters when that is due. */
  poll(): void {
    const { pump } = this.session;
    const { seconds, bytes } = this.#until;
    const { fullReason } = pump;
    if (fullReason !== undefined) this.ended = { trouble: fullReason };
    else if (pump.controlGone || pump.readers.every(({ gone }) => gone))
      this.ended = { trouble: goneText(this.session.guest), guestLost: true };
    else if (this.session.ended !== undefined)
      this.ended = {
        trouble: `the agent of ${theGuest(this.session.guest)} ended the session: ${this.session.ended}`,
        guestLost: true,
      };
    else if (seconds !== undefined && this.elapsedMs >= seconds * 1000) this.ended = {};
    else if (bytes !== undefined && pump.received >= bytes) this.ended = {};
    else if (this.#start !== undefined) this.#lookAtStatus(this.#start);
  }

  /** Somebody else asks for the counters now: to ask once more would tell the same. */
  asks(): void {
    if (!this.#answered) return;
    this.#askedMs = performance.now();
    this.#unansweredMs = this.#askedMs;
    this.#answered = false;
  }

  #lookAtStatus(start: StartReply): void {
    const now = performance.now();
    const status = this.session.lastStatus;
    if (status !== undefined && status !== this.#seen) {
      this.#answered = true;
      if (isAnother(start, this.#seen, status)) {
        this.ended = { trouble: "the guest's agent restarted (the guest booted again?)", guestLost: true };
        return;
      }
      this.#note(status, now);
    }
    const waitMs = this.#answered ? hostLimits.statusEveryMs : hostLimits.statusRepeatMs;
    if (now - this.#askedMs < waitMs) return;
    this.#askedMs = now;
    if (this.#answered) this.#unansweredMs = now;
    this.#answered = false;
    try {
      this.session.send({ order: "status" });
    } catch {
      // The port cannot be written now: the guest boots or hangs. The next poll asks again.
    }
  }

  #note(status: StatusReply, now: number): void {
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

/** A restarted agent: armed although it was started and not stopped, or its streams are shorter than before. */
function isAnother(start: StartReply, earlier: StatusReply | undefined, now: StatusReply): boolean {
  if (now.state !== "running") return true;
  const before = earlier?.cpus ?? start.streams;
  return now.cpus.some(({ cpu, bytes }) => bytes < (before.find((other) => other.cpu === cpu)?.bytes ?? 0));
}

/** All events that were written to the ring buffers. */
function written({ cpus }: StatusReply): number {
  return cpus.reduce((sum, { entries, overrun, readEvents }) => sum + entries + overrun + readEvents, 0);
}

function lostEvents({ cpus }: StatusReply): number {
  return cpus.reduce(
    (sum, { overrun, commitOverrun, droppedEvents }) => sum + overrun + commitOverrun + droppedEvents,
    0,
  );
}
