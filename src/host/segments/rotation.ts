/**
 * record --rotate: the recording is cut at one time for all CPUs and machines, and each part becomes a file while the next one is
 * received. What cannot be written yet stays in the spool; where the disk's bound leaves no room for that, the ports wait.
 */
import { writeAsIs } from "../../base/standard-output.ts";
import { recordedTable } from "../../views/recorded-text.ts";
import { clockOf } from "../../tracefs/trace-clocks.ts";
import { hostLimits } from "../limits.ts";
import type { CutMachine, Cutter } from "../machines/cutter.ts";
import { sumOfLosses } from "../machines/losses.ts";
import type { RunningStream, SnapshotResult } from "../machines/running-recorder.ts";
import type { RunObserver } from "../run/run-observer.ts";
import { Cut } from "./cut.ts";
import { pieceBytes, type RotationParts } from "./cut-parts.ts";
import { MachineStream } from "./machine-stream.ts";
import type { Positions } from "./positions.ts";
import { MachineTotal, missingOf, madeText } from "./machine-total.ts";
import { runningStreams } from "./running-streams.ts";
import type { WrittenSegment } from "./segment-file.ts";
import { planSegments, type SegmentPlan } from "./segment-plan.ts";
import { bytesOf, type SegmentStore } from "./segment-store.ts";
import { type Live, type Recorded, SegmentWriter } from "./segment-writer.ts";

/** One machine's run. */
type Member = {
  readonly machine: CutMachine;
  readonly stream: MachineStream;
  readonly total: MachineTotal;
  /** Of the segment that is received now. */
  started: string;
  lastTime: bigint | undefined;
  /** Its last segment is planned. */
  tail: boolean;
};

function isReceived({ tail, stream }: Member): boolean {
  return !tail && stream.isRunning;
}

type Asked = (result: SnapshotResult) => void;

export class Rotation implements Cutter {
  readonly mode = "segments";
  readonly snapshots = 0;
  readonly #store: SegmentStore;
  readonly #parts: RotationParts;
  readonly #writer: SegmentWriter;
  /** Whose segments are not all written and told. */
  #members: readonly Member[] = [];
  #cut: { cut: Cut; asked: Asked[] } | undefined;
  #asked: Asked[] = [];
  #lastCutMs = 0;
  #counts = false;
  #freeMs = 0;
  /** Of so many more reads each finds room: to look takes a sum over all ports. What else takes room makes it 0. */
  #readsAhead = 0;
  readonly #missing: string[] = [];

  constructor(store: SegmentStore, parts: RotationParts) {
    this.#store = store;
    this.#parts = parts;
    this.#writer = new SegmentWriter(store, this.#recorded(), parts.turn);
  }

  filesOf(machine: string): number {
    return this.#store.filesOf(machine);
  }

  get diskBytes(): number {
    return this.#store.bytes + this.#liveBytes;
  }

  /** The next segment begins now. */
  snapshot(): Promise<SnapshotResult> {
    const { promise, resolve } = Promise.withResolvers<SnapshotResult>();
    this.#asked.push(resolve);
    return promise;
  }

  streamsOf(name: string): readonly RunningStream[] {
    const member = this.#members.findLast(({ machine }) => machine.name === name);
    return member === undefined ? [] : runningStreams(member.stream);
  }

  metadataOf(name: string): ReturnType<MachineStream["traceMetadata"]> {
    return this.#members.findLast(({ machine }) => machine.name === name)?.stream.traceMetadata();
  }

  /** A machine's run begins; it fills the spool in pieces. */
  join(machine: CutMachine, spool: MachineStream["spool"]): RunObserver {
    const { name, entry, traceId } = machine;
    const session = { guest: name, traceId, past: this.#parts.past };
    const stream = new MachineStream({ name, kind: entry.kind, spool, session }, (cpus, subBufferBytes) =>
      pieceBytes(this.#partBytes / cpus, subBufferBytes),
    );
    stream.isFull = () => this.#isFull;
    const started = new Date().toISOString();
    const member = { machine, stream, total: new MachineTotal(), started, lastTime: undefined, tail: false };
    this.#members = [...this.#members, member];
    return stream.observer();
  }

  openFile(name: string): string {
    const started = new Date().toISOString();
    for (const member of this.#members) if (member.machine.name === name && !member.tail) member.started = started;
    return this.#store.fileOf(name, started, this.#store.number);
  }

  /** Called some twenty times a second. */
  turn(haveStarted: boolean): void {
    this.#readsAhead = 0;
    const now = performance.now();
    // A file's time begins when what it is of does: its machines may be waited for, at first and when all were gone.
    const counts = haveStarted && this.#members.some(isReceived);
    if (!counts || !this.#counts) this.#lastCutMs = now;
    this.#counts = counts;
    if (now - this.#freeMs >= hostLimits.freeEveryMs) {
      this.#freeMs = now;
      if (!this.#store.keepFree(0, this.#ports) && !this.#writer.isWorking)
        this.#parts.stop("the disk has less free space than is to stay (--free)");
    }
    this.#cutIfDue(now);
    this.#planTails();
    // Sums over all ports, which only a bound in bytes asks for.
    if (this.#store.keep.bytes === undefined) this.#store.makeRoom(0, 0);
    else this.#store.keepWithin(this.#marginBytes, this.#liveBytes, this.#toldBytes, haveStarted);
    this.#writer.workIfDue(now);
  }

  /** After all machines have ended. What is missing from the whole, by sentences. `isEnough`: no more is written. */
  async finish(isEnough: () => boolean): Promise<string[]> {
    this.#cutIfDue(Infinity);
    this.#planTails();
    await this.#writer.finish(isEnough);
    for (const member of this.#members) this.#tell(member);
    const { path } = this.#store.directory;
    for (const { tail, stream } of this.#members)
      if (tail) this.#missing.push(`${stream.name} is not in files to its end: trace-agent recover ${path}`);
    await this.#store.save();
    return this.#missing;
  }

  /** All that is cut at once. */
  get #segmentBytes(): number | undefined {
    const { bytes } = this.#store.keep;
    const { every } = this.#parts;
    return bytes === undefined ? every.bytes : Math.min(every.bytes ?? Infinity, bytes / 4);
  }

  /** Of a machine, in each piece of all its CPUs. To make and remove many files costs. */
  get #partBytes(): number {
    const kept = (this.#store.keep.bytes ?? Infinity) / hostLimits.pieceShare;
    return Math.min((this.#segmentBytes ?? Infinity) / 2, kept) / Math.max(1, this.#members.length);
  }

  get #spoolBytes(): number {
    return this.#members.reduce((sum, { stream }) => sum + stream.spoolBytes, 0);
  }

  /** Of a tail it goes when its file is written. */
  get #toldBytes(): number {
    return this.#members.reduce((sum, { tail, stream }) => sum + (tail ? 0 : stream.toldBytes), 0);
  }

  /** All that lies on the disk beside segments. */
  get #liveBytes(): number {
    return this.#members.reduce((sum, { stream }) => sum + stream.toldBytes, this.#spoolBytes);
  }

  /** Asked after each read. The guests keep what has no room: they tell of what they lose. */
  get #isFull(): boolean {
    if (this.#readsAhead-- > 0) return false;
    const received = this.#members.reduce((sum, { stream }) => sum + stream.receivedBytes, 0);
    const free = this.#store.freeRoom(received, () => this.#spoolBytes, this.#ports);
    const kept = this.#keptRoom;
    this.#readsAhead = Math.floor(Math.min(free, kept) / hostLimits.portMarginBytes);
    return free <= 0 || kept < 0;
  }

  /** What may still come until there is as much as is to be kept: all that is in the spool becomes a file before it is removed there. */
  get #keptRoom(): number {
    const { bytes } = this.#store.keep;
    if (bytes === undefined) return Infinity;
    const most = this.#liveBytes + Math.max(this.#spoolBytes, this.#store.bytes);
    return (bytes - this.#marginBytes - most) / 2;
  }

  /** What may come before the ports are no longer read. */
  get #marginBytes(): number {
    return this.#store.marginOf(this.#ports);
  }

  get #ports(): number {
    return this.#members.reduce((sum, { stream }) => sum + stream.from.size, 0);
  }

  #cutIfDue(now: number): void {
    if (this.#cut === undefined) {
      const { ms = Infinity } = this.#parts.every;
      const isLate = now - this.#lastCutMs >= ms;
      if (!isLate && this.#asked.length === 0 && this.#segmentBytes === undefined) return;
      const running = this.#members.filter(isReceived).map(({ stream }) => stream);
      const pending = running.reduce((sum, { pendingBytes }) => sum + pendingBytes, 0);
      const isDue = isLate || pending >= (this.#segmentBytes ?? Infinity);
      if (running.length === 0 && this.#asked.length > 0)
        for (const tell of this.#asked.splice(0)) tell({ taken: false, reason: "no machine is recorded" });
      if (running.length === 0 || (!isDue && this.#asked.length === 0)) return;
      // Late by less than a turn, so that cuts stay where they belong.
      this.#lastCutMs = now - this.#lastCutMs < 2 * ms ? this.#lastCutMs + ms : now;
      if (!isDue || ms === Infinity) this.#lastCutMs = now;
      this.#cut = { cut: new Cut(running, this.#parts.latencyMs), asked: this.#asked.splice(0) };
    }
    const { cut, asked } = this.#cut;
    if (now !== Infinity && !cut.poll()) return;
    this.#cut = undefined;
    const number = this.#store.nextNumber();
    const plans = this.#members
      .filter(({ tail }) => !tail)
      .flatMap((member) =>
        this.#plan(member, number, cut.positions(member.stream), cut.utc, cut.timeOf(member.stream)),
      );
    const files = plans.map((plan) => ({ machine: plan.stream.name, file: plan.file, bytes: bytesOf(plan) }));
    for (const tell of asked) tell({ taken: true, files });
  }

  /** Of a machine whose run has ended. */
  #planTails(): void {
    for (const member of this.#members) {
      if (!member.machine.ended || member.tail) continue;
      member.tail = true;
      this.#plan(member, this.#store.nextNumber(), member.stream.whole, new Date().toISOString(), undefined);
      this.#tell(member);
    }
  }

  #plan(member: Member, number: number, to: Positions, utc: string, time: bigint | undefined): SegmentPlan[] {
    const { stream, started, lastTime, machine } = member;
    if (bytesOf({ from: stream.from, to }) === 0) return [];
    const plans = planSegments(stream, to, {
      started,
      ended: utc,
      times: { from: lastTime, to: time },
      nextNumber: this.#store.numbersFrom(number),
      fileOf: (begun, own) => this.#store.fileOf(machine.name, begun, own),
    });
    for (const plan of plans) this.#writer.add(plan);
    stream.counters.last = stream.counters.now;
    if (time !== undefined) stream.eras.forget(time);
    member.started = utc;
    member.lastTime = time;
    const open = this.#store.openEntry(stream, stream.session.traceId);
    const file = this.#store.fileOf(machine.name, utc, (plans.at(-1)?.number ?? number) + 1);
    if (open !== undefined) Object.assign(open, { file, started: utc });
    return plans;
  }

  /** As the writer sees it. */
  #recorded(): Recorded {
    const streams = (): readonly MachineStream[] => this.#members.map(({ stream }) => stream);
    const live = (): Live => {
      // A file takes room from now on.
      this.#readsAhead = 0;
      return { liveBytes: this.#liveBytes, marginBytes: this.#marginBytes, ports: this.#ports };
    };
    return { streams, live, written: (plan, segment) => this.#written(plan, segment) };
  }

  #written({ stream }: SegmentPlan, segment: WrittenSegment): boolean {
    const member = this.#members.find((one) => one.stream === stream);
    member?.total.add(segment, stream.name);
    if (member?.tail !== true) return false;
    this.#tell(member);
    return true;
  }

  /** When all of a machine's run is in segments: what it holds, and what is missing. */
  #tell(member: Member): void {
    const { machine, stream, total, tail } = member;
    if (!tail) return;
    const { name } = machine;
    if (this.#writer.has(stream)) return;
    this.#members = this.#members.filter((one) => one !== member);
    const entry = this.#store.openEntry(stream, stream.session.traceId);
    const { file } = this.#store.directory;
    if (entry !== undefined) machine.entry.recordings.splice(machine.entry.recordings.indexOf(entry), 1);
    if (machine.refused !== undefined) return;
    const finished = total.finished(stream, machine.trouble);
    const reasons = missingOf(finished);
    const last = machine.entry.recordings.findLast(({ traceId }) => traceId === `${stream.session.traceId}`);
    if (last !== undefined && reasons.length > 0)
      Object.assign(last, { state: "incomplete", reason: reasons.join("; ") });
    file.clocks[name] = clockOf(finished.metadata);
    file.losses[name] = sumOfLosses(file.losses[name], finished);
    this.#missing.push(...reasons.map((what) => `${name}: ${what}`));
    writeAsIs(Buffer.from(`${name}: ${madeText(total, machine.entry.removed)}\n${recordedTable(finished)}\n`));
    // Before the spool goes: who is killed then leaves no word of a recording that is not there.
    this.#store.directory.note();
    stream.spool.remove();
  }
}
