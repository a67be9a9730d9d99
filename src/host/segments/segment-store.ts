/** The segments, or snapshots, of a session's directory: named, counted, the oldest removed where there are too many. */
import { AgentError } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import { clockOf } from "../../tracefs/trace-clocks.ts";
import { toldSteps } from "../../timeline/sync/told-offset.ts";
import type { SessionMachine, SessionRecording } from "../../trace-dat/session/session-file.ts";
import { hostLimits } from "../limits.ts";
import type { SessionDirectory } from "../machines/session-directory.ts";
import { KeptSegments, leastKeptMiB } from "./kept-segments.ts";
import { type WrittenSegment, writeSegmentFile } from "./segment-file.ts";
import type { SegmentPlan, SegmentTimeline } from "./segment-plan.ts";

/** `count`: of the cuts, or snapshots, that are kept; `bytes`: of all that lies in the directory. */
export type Keep = { count?: number | undefined; bytes?: number | undefined };
/** What stays free on the disk: so many bytes, or this share of it. */
export type Free = { bytes?: number | undefined; share?: number | undefined };

export class SegmentStore {
  readonly directory: SessionDirectory;
  readonly keep: Keep;
  readonly #free: Free;
  /** The number that the next cut has. */
  #number: number;
  #writingBytes = 0;
  /** What may still come, as of when the disk was asked. */
  #look = { roomBytes: -1, receivedBytes: 0 };
  readonly #files = new Map<string, number>();
  readonly #kept = new KeptSegments();
  readonly #told = new Set<"files" | "keep" | "free">();
  /** All machines that are waited for have told of themselves, and there was room. */
  #hadRoom = false;

  constructor(directory: SessionDirectory, keep: Keep, free: Free) {
    this.directory = directory;
    this.keep = keep;
    this.#free = free;
    let most = 0;
    for (const machine of directory.file.machines) {
      this.#forgetLost(machine);
      most = Math.max(most, machine.removed?.number ?? 0);
      for (const recording of machine.recordings) {
        most = Math.max(most, recording.number ?? 0);
        if (recording.state !== "recording") this.#kept.add(machine, recording);
      }
    }
    this.#number = most + 1;
  }

  get number(): number {
    return this.#number;
  }

  /** A cut of before had this number. */
  passNumber(number: number): void {
    this.#number = Math.max(this.#number, number + 1);
  }

  nextNumber(): number {
    return this.#number++;
  }

  /** Of segments that are made at once: the first one's is given, the others have their own. */
  numbersFrom(first: number): () => number {
    let next: number | undefined = first;
    return () => {
      const given = next ?? this.nextNumber();
      next = undefined;
      return given;
    };
  }

  /** Of the segments that are whole, and of those that are written. */
  get bytes(): number {
    return this.#kept.bytes + this.#writingBytes;
  }

  /** How many files this recorder has made of a machine, also those that are removed again. */
  filesOf(machine: string): number {
    return this.#files.get(machine) ?? 0;
  }

  /** MACHINE/UTCSTART-NNNN.dat. */
  fileOf(machine: string, started: string, number: number): string {
    const stamp = started.replaceAll(/[-:]|\.\d+/g, "");
    return `${machine}/${stamp}-${`${number}`.padStart(4, "0")}.dat`;
  }

  /** Of what is kept: what may come from so many ports before they are no longer read. */
  marginOf(ports: number): number {
    return Math.min((this.keep.bytes ?? 0) / 8, ports * hostLimits.portMarginBytes);
  }

  /** Removes the oldest until so many bytes more are within what is kept. False where that is not to be had. `liveBytes`: that lie there beside segments. */
  makeRoom(moreBytes: number, liveBytes: number): boolean {
    const { count = Infinity, bytes = Infinity } = this.keep;
    while (this.#kept.cuts > count) this.#removeOldest();
    while (this.#kept.files > hostLimits.segmentsMax) {
      const most = `${this.directory.path} has ${hostLimits.segmentsMax} files`;
      this.#warnOnce("files", `${most}: the oldest are removed; longer files are fewer`);
      this.#removeOldest();
    }
    while (this.bytes + liveBytes + moreBytes > bytes) if (!this.#removeOldest()) return false;
    return true;
  }

  /**
   * The same. `toldBytes`: what machines told of themselves, which lies there as long as they are recorded. A bound that has no room
   * beside it is refused while machines begin, before anything is removed for it; of machines that come later it is told.
   */
  keepWithin(moreBytes: number, liveBytes: number, toldBytes: number, haveStarted: boolean): void {
    const { bytes = Infinity } = this.keep;
    if (toldBytes + moreBytes > bytes) {
      const problem = `--keep has no room for events beside ${toldBytes} bytes that the machines told of themselves`;
      const remedy = `give it ${leastKeptMiB(toldBytes)}M or more`;
      if (!this.#hadRoom) throw new AgentError("usage", problem, { remedy });
      this.#warnOnce("keep", `${problem}; ${remedy}`);
    }
    this.#hadRoom ||= haveStarted && toldBytes > 0;
    // Until then next to nothing is received, and what is there may have to stay.
    if (this.#hadRoom) this.makeRoom(moreBytes, liveBytes);
  }

  /**
   * Removes the oldest until the disk has so much more than what is to stay free, and twice what may come of `ports` before somebody looks.
   * False where not even what is to stay free is to be had.
   */
  keepFree(moreBytes: number, ports: number): boolean {
    let free = this.#freeBytes();
    const wanted = moreBytes + 2 * free.marginOf(ports);
    while (free.aboveFloor < wanted) {
      const before = free.aboveFloor;
      if (!this.#removeOldest()) return before >= 0;
      this.#warnOnce(
        "free",
        `${this.directory.path}: the disk has no more than is to stay free (--free): the oldest are removed`,
      );
      free = this.#freeBytes();
      // The file system tells it later.
      if (free.aboveFloor <= before) break;
    }
    return true;
  }

  /** The same for a file that is written only where it has room. */
  hasFreeFor(bytes: number, ports: number): boolean {
    this.keepFree(bytes, ports);
    return this.#freeBytes().aboveFloor >= bytes;
  }

  /**
   * What may still come, none where it is not more than 0: what is to stay free stays free, and all that is in the spool can become files,
   * for which those that are there may be removed. The disk itself is asked only when that may have changed.
   */
  freeRoom(receivedBytes: number, spoolBytes: () => number, ports: number): number {
    const since = receivedBytes - this.#look.receivedBytes;
    if (since >= 0 && this.#look.roomBytes > since) return this.#look.roomBytes - since;
    const { aboveFloor, marginOf } = this.#freeBytes();
    const room = aboveFloor - marginOf(ports);
    // A byte more in the spool is one less that is free.
    const roomBytes = Math.min(room, (room + this.bytes - this.#writingBytes - spoolBytes()) / 2);
    this.#look = { roomBytes, receivedBytes };
    return roomBytes;
  }

  /** Throws an AgentError; then the machine's entry is as it was. */
  async write(plan: SegmentPlan, timeline: SegmentTimeline, turn: () => Promise<void>): Promise<WrittenSegment> {
    const { stream, file } = plan;
    this.#writingBytes = bytesOf(plan);
    this.#look.roomBytes -= this.#writingBytes;
    try {
      const written = await writeSegmentFile(plan, this.directory.segments.place(stream.name, file), timeline, turn);
      this.#note(plan, written);
      return written;
    } finally {
      this.#writingBytes = 0;
    }
  }

  async save(): Promise<void> {
    try {
      await this.directory.saveLater();
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      log.warn(`${error.text}; the recording goes on`);
    }
  }

  /** The entry of what is recorded now. */
  openEntry({ name, kind }: SegmentPlan["stream"], traceId: bigint): SessionRecording | undefined {
    const { recordings } = this.directory.machine(name, kind);
    // Among the last of thousands.
    return recordings.findLast((one) => one.state === "recording" && one.traceId === `${traceId}`);
  }

  /** A file that is there; it stands before `open`, what follows it. */
  add(machine: SessionMachine, recording: SessionRecording, open: SessionRecording | undefined): void {
    const { recordings } = machine;
    const place = open === undefined ? -1 : recordings.lastIndexOf(open);
    recordings.splice(place < 0 ? recordings.length : place, 0, recording);
    this.#kept.add(machine, recording);
  }

  #note(plan: SegmentPlan, written: WrittenSegment): void {
    const { stream, file, number, started, ended, times, trigger } = plan;
    const machine = this.directory.machine(stream.name, stream.kind);
    const { traceId } = stream.session;
    const open = this.openEntry(stream, traceId);
    this.#files.set(stream.name, this.filesOf(stream.name) + 1);
    const events = written.cpus.reduce((sum, { events: count }) => sum + count, 0);
    const entry: SessionRecording = {
      file,
      state: "whole",
      traceId: `${traceId}`,
      started,
      ended,
      bytes: written.bytes,
      ...(trigger === undefined ? { events } : { trigger }),
      number,
      ...(times.from === undefined ? {} : { from: `${times.from}` }),
      ...(times.to === undefined ? {} : { to: `${times.to}` }),
      ...timesOf(written, clockOf(stream.metadata ?? {})),
      ...stepOf(plan),
    };
    this.add(machine, entry, open);
    if (written.offset !== undefined) this.directory.file.offsets[stream.name] = written.offset;
  }

  #warnOnce(about: "files" | "keep" | "free", text: string): void {
    if (!this.#told.has(about)) log.warn(text);
    this.#told.add(about);
  }

  #removeOldest(): boolean {
    const oldest = this.#kept.takeOldest();
    for (const { machine, recording } of oldest) {
      this.directory.segments.remove(machine.name, recording.file);
      this.#forget(machine, recording);
    }
    return oldest.length > 0;
  }

  #forget(machine: SessionMachine, recording: SessionRecording): void {
    machine.recordings.splice(machine.recordings.indexOf(recording), 1);
    const { recordings = 0, events = 0, number = 0 } = machine.removed ?? {};
    machine.removed = {
      recordings: recordings + 1,
      events: events + (recording.events ?? 0),
      // A number is never given twice, also when none is left that has one.
      number: Math.max(number, recording.number ?? 0),
    };
  }

  /** Files are removed before session.json says so, and a user may remove them too. */
  #forgetLost(machine: SessionMachine): void {
    const lost = machine.recordings.filter(
      ({ number, state, file }) =>
        number !== undefined && state !== "recording" && !this.directory.segments.has(machine.name, file),
    );
    for (const recording of lost) this.#forget(machine, recording);
  }

  #freeBytes(): { aboveFloor: number; marginOf: (ports: number) => number } {
    const { bsize, blocks, bavail } = this.directory.fileSystem;
    const { freeShare, freeMaxBytes, portMarginBytes } = hostLimits;
    const { bytes, share } = this.#free;
    const all = blocks * bsize;
    const floor = bytes ?? (share === undefined ? Math.min(all * freeShare, freeMaxBytes) : all * share);
    return {
      aboveFloor: bavail * bsize - floor,
      // Of a small disk an eighth.
      marginOf: (ports) => Math.min(ports * portMarginBytes, Math.max(0, all - floor) / 8),
    };
  }
}

/** That its machine's clock stepped before it, or at its end. */
export function stepOf({ step, isStepped }: SegmentPlan): Pick<SessionRecording, "step" | "reason"> {
  const [told] = step === undefined ? [] : (toldSteps([step]).steps ?? []);
  return {
    ...(isStepped ? { reason: "its clock stepped" } : {}),
    ...(told === undefined ? {} : { step: told }),
  };
}

function timesOf({ times, offset }: WrittenSegment, clock: string): Partial<SessionRecording> {
  if (times === undefined) return {};
  const { ns, boundNs } = offset ?? {};
  return {
    clock,
    first: `${times.first}`,
    last: `${times.last}`,
    ...(ns === undefined ? {} : { offsetNs: ns }),
    ...(ns === undefined || boundNs === undefined ? {} : { boundNs }),
  };
}

/** Of the data: what a file of it takes at least. */
export function bytesOf({ from, to }: Pick<SegmentPlan, "from" | "to">): number {
  return [...to].reduce((sum, [cpu, end]) => sum + end - Math.min(end, from.get(cpu) ?? 0), 0);
}
