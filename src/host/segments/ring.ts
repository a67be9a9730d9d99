/**
 * record --last: the newest seconds of all machines lie in pieces on the disk; what is older, or beyond a size, is removed piece by
 * piece. A snapshot makes a file of each machine's ring while the recording goes on.
 */
import { AgentError } from "../../base/errors.ts";
import { writeAsIs } from "../../base/standard-output.ts";
import { balanceOf, imbalances } from "../../trace-dat/spool/balance.ts";
import { hostLimits } from "../limits.ts";
import type { CutMachine, Cutter } from "../machines/cutter.ts";
import type { RunningStream, SnapshotRequest, SnapshotResult } from "../machines/running-recorder.ts";
import type { RunObserver } from "../run/run-observer.ts";
import { Cut } from "./cut.ts";
import { MachineStream } from "./machine-stream.ts";
import { pieceBytes, type RotationParts } from "./cut-parts.ts";
import { runningStreams } from "./running-streams.ts";
import { partOfRing } from "./ring-part.ts";
import { RingSteps } from "./ring-steps.ts";
import { planOf, type SegmentPlan } from "./segment-plan.ts";
import { bytesOf, type SegmentStore } from "./segment-store.ts";

/** How much is kept, what follows the trigger, and how far snapshots are apart at least. */
export type RingOptions = { lastMs: number; maxBytes: number; afterMs: number; everyMs: number };

type RingParts = Omit<RotationParts, "every"> & RingOptions;

type Member = { readonly machine: CutMachine; readonly stream: MachineStream; readonly steps: RingSteps };

export class Ring implements Cutter {
  readonly mode = "ring";
  readonly #store: SegmentStore;
  readonly #parts: RingParts;
  readonly #members: Member[] = [];
  #taking = false;
  /** A snapshot waits for what belongs to it: nothing is too old. */
  #isGathering = false;
  #takenMs = -Infinity;
  #freeMs = 0;
  #work: Promise<unknown> = Promise.resolve();
  readonly #missing: string[] = [];
  snapshots = 0;

  constructor(store: SegmentStore, parts: RingParts) {
    this.#store = store;
    this.#parts = parts;
  }

  filesOf(machine: string): number {
    return this.#store.filesOf(machine);
  }

  get diskBytes(): number {
    return this.#store.bytes + this.#ringBytes + this.#besideBytes;
  }

  join(machine: CutMachine, spool: MachineStream["spool"]): RunObserver {
    const { name, entry, traceId } = machine;
    const { maxBytes, past } = this.#parts;
    const session = { guest: name, traceId, past };
    const stream = new MachineStream({ name, kind: entry.kind, spool, session }, (cpus, subBufferBytes) =>
      pieceBytes(maxBytes / hostLimits.pieceShare / cpus / this.#members.length, subBufferBytes),
    );
    stream.isFull = () => !this.#hasRoom;
    const { lastMs, afterMs, latencyMs } = this.#parts;
    const steps = new RingSteps(stream, { heldMs: lastMs + afterMs, lagMs: latencyMs + hostLimits.cutLagMs });
    this.#members.push({ machine, stream, steps });
    const observer = stream.observer();
    const burst: RunObserver["burst"] = (one) => {
      observer.burst(one);
      steps.note();
    };
    return { ...observer, burst };
  }

  openFile(machine: string): string {
    return this.#store.fileOf(machine, new Date().toISOString(), this.#store.number);
  }

  streamsOf(name: string): readonly RunningStream[] {
    const stream = this.#streamOf(name);
    return stream === undefined ? [] : runningStreams(stream);
  }

  metadataOf(name: string): ReturnType<MachineStream["traceMetadata"]> {
    return this.#streamOf(name)?.traceMetadata();
  }

  turn(haveStarted: boolean): void {
    const now = performance.now();
    if (now - this.#freeMs >= hostLimits.freeEveryMs) {
      this.#freeMs = now;
      if (!this.#store.keepFree(0, this.#ports))
        this.#parts.stop("the disk has less free space than is to stay (--free)");
    }
    this.#dropOld();
    const told = this.#members.reduce((sum, { stream }) => sum + stream.toldBytes, 0);
    this.#store.keepWithin(this.#marginBytes, this.#ringBytes + this.#besideBytes, told, haveStarted);
    const { lastMs, afterMs, latencyMs } = this.#parts;
    const oldestMs = this.#isGathering ? -Infinity : now - lastMs - afterMs - latencyMs - hostLimits.cutLagMs;
    for (;;) {
      const [oldest] = this.#members
        .flatMap(({ stream }) => {
          const piece = stream.oldestPiece();
          return piece === undefined ? [] : [{ stream, piece }];
        })
        .sort((a, b) => a.piece.fullMs - b.piece.fullMs);
      // Bytes count more than age.
      if (oldest === undefined || (oldest.piece.fullMs >= oldestMs && this.#ringBytes <= this.#maxBytes)) return;
      oldest.stream.removeBelow(new Map([[oldest.piece.cpu, oldest.piece.end]]));
    }
  }

  /** One at a time. */
  async snapshot(request: SnapshotRequest): Promise<SnapshotResult> {
    if (this.#taking) return { taken: false, reason: "one is being taken", remedy: "ask again in a moment" };
    const sinceMs = performance.now() - this.#takenMs;
    const { everyMs } = this.#parts;
    // What a guest that is gone leaves is not there any more later.
    if (sinceMs < everyMs && request.trigger !== "guest-gone")
      return { taken: false, reason: `the last one is ${(sinceMs / 1000).toFixed(1)} s old (--every)` };
    const { machine } = request;
    const members = this.#newest.filter(({ stream }) => machine === undefined || stream.name === machine);
    if (members.length === 0) return { taken: false, reason: `no machine "${machine ?? ""}" is recorded` };
    this.#taking = true;
    this.#takenMs = performance.now();
    const work = this.#take(request, members).finally(() => {
      this.#taking = false;
      for (const { stream } of members) stream.release();
    });
    this.#work = work.catch(() => {});
    return work;
  }

  /** The ring itself is not kept: what was asked for is in snapshots. */
  async finish(): Promise<string[]> {
    await this.#work;
    for (const { machine, stream } of this.#members) {
      const { end, session, whole } = stream;
      if (end?.stop === undefined) continue;
      // Nobody knows how many events were removed with the ring.
      const received = [...whole].map(([cpu, bytes]) => ({ cpu, bytes, events: 0, damaged: true }));
      const balances = balanceOf(
        { before: session.before, start: session.start, stop: end.stop, after: end.after },
        received,
      );
      this.#missing.push(...imbalances(balances).map((what) => `${machine.name}: ${what}`));
    }
    this.#drop(() => true);
    await this.#store.save();
    return this.#missing;
  }

  get #ringBytes(): number {
    return this.#members.reduce((sum, { stream }) => sum + stream.spoolBytes, 0);
  }

  /** What the ring no longer needs and somebody reads, and what machines told of themselves. */
  get #besideBytes(): number {
    return this.#members.reduce((sum, { stream }) => sum + stream.lateBytes + stream.toldBytes, 0);
  }

  /** Of the ring: less where --keep has no more room, though snapshots were removed for it. */
  get #maxBytes(): number {
    const { bytes = Infinity } = this.#store.keep;
    return Math.min(this.#parts.maxBytes, bytes - this.#marginBytes - this.#store.bytes - this.#besideBytes);
  }

  /** What may come before old pieces are removed. */
  get #marginBytes(): number {
    return this.#store.marginOf(this.#ports);
  }

  get #ports(): number {
    return this.#members.reduce((sum, { stream }) => sum + stream.from.size, 0);
  }

  /** Asked after each read: where there is none the guests keep what they have until pieces are removed. */
  get #hasRoom(): boolean {
    const { bytes } = this.#store.keep;
    if (bytes === undefined) return true;
    return this.diskBytes <= bytes - this.#marginBytes / 2;
  }

  /** Of a machine that ended and has not begun anew, what it left. */
  get #newest(): readonly Member[] {
    const newest = new Map<string, Member>();
    for (const member of this.#members) {
      const { name, receivedBytes } = member.stream;
      if (receivedBytes > 0 || !newest.has(name)) newest.set(name, member);
    }
    return [...newest.values()];
  }

  #streamOf(name: string): MachineStream | undefined {
    return this.#newest.find(({ machine }) => machine.name === name)?.stream;
  }

  /** What is left of machines that are recorded anew, but for what a snapshot reads. */
  #dropOld(): void {
    if (this.#taking) return;
    const newest = new Set(this.#newest);
    this.#drop((member) => !newest.has(member) && (member.machine.ended || member.machine.refused !== undefined));
  }

  #drop(isOver: (member: Member) => boolean): void {
    for (const member of this.#members.filter(isOver)) {
      const { machine, stream } = member;
      this.#members.splice(this.#members.indexOf(member), 1);
      if (machine.trouble !== undefined) this.#missing.push(`${machine.name}: it ended early: ${machine.trouble}`);
      const open = this.#store.openEntry(stream, stream.session.traceId);
      if (open !== undefined) machine.entry.recordings.splice(machine.entry.recordings.indexOf(open), 1);
      if (machine.refused === undefined) stream.spool.remove();
    }
  }

  async #take(request: SnapshotRequest, members: readonly Member[]): Promise<SnapshotResult> {
    const { trigger } = request;
    const { afterMs, latencyMs } = this.#parts;
    const begun = new Date().toISOString();
    const asked = new Cut(
      members.map(({ stream }) => stream),
      latencyMs + afterMs,
    );
    await this.#gather(asked, members);
    const number = this.#store.nextNumber();
    const plans = members.flatMap((member) => {
      const { stream } = member;
      const own = request.machine === stream.name ? request.at : undefined;
      return this.#plan(member, { number, trigger, started: begun, time: own ?? asked.timeOf(stream) });
    });
    // Packed before room is made: meanwhile more comes.
    for (const { stream } of plans) await stream.tables();
    // Pieces that the ring no longer needs stay as long as they are read.
    const heldBytes = plans.reduce((sum, plan) => sum + bytesOf(plan), 0);
    const files: { machine: string; file: string; bytes: number }[] = [];
    const host = members.find(({ stream }) => stream.kind === "host")?.stream;
    const guests = members.filter(({ stream }) => stream.kind === "guest").map(({ stream }) => stream);
    if (!this.#store.makeRoom(heldBytes, this.#ringBytes + heldBytes + this.#besideBytes))
      return { taken: false, reason: "--keep leaves no room for the ring, what is read of it, and a file of that" };
    if (!this.#store.hasFreeFor(heldBytes, this.#ports))
      return { taken: false, reason: "the disk has no room for it beside what is to stay free (--free)" };
    try {
      for (const plan of plans) {
        const { bytes } = await this.#store.write(plan, { host, guests }, this.#parts.turn);
        files.push({ machine: plan.stream.name, file: plan.file, bytes });
      }
      this.#store.makeRoom(0, this.#ringBytes + this.#besideBytes);
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      return { taken: false, reason: error.text };
    }
    this.snapshots++;
    await this.#store.save();
    for (const { file, bytes } of files)
      writeAsIs(Buffer.from(`snapshot (${trigger}): ${this.#store.directory.path}/${file}, ${bytes} bytes\n`));
    return { taken: true, files };
  }

  /**
   * Until all has come that belongs to the snapshot. So much may come meanwhile that the ring has no room for what led to it: at half of
   * what the ring takes it is enough.
   */
  async #gather(asked: Cut, members: readonly Member[]): Promise<void> {
    const received = (): number => members.reduce((sum, { stream }) => sum + stream.receivedBytes, 0);
    const enough = received() + this.#parts.maxBytes / 2;
    this.#isGathering = true;
    try {
      while (!asked.poll() && received() < enough)
        await this.#parts.turn().then(() => Bun.sleep(hostLimits.machinesTurnMs));
    } finally {
      this.#isGathering = false;
    }
  }

  #plan(
    { stream, steps }: Member,
    { number, trigger, started, time }: { number: number; trigger: string; started: string; time: bigint | undefined },
  ): SegmentPlan[] {
    const part = partOfRing(stream, time, this.#parts, steps);
    if (part === undefined) return [];
    const { eras, times } = part;
    const ended = new Date().toISOString();
    const nextNumber = this.#store.numbersFrom(number);
    return eras.map((era, index) => {
      const own = nextNumber();
      const file = this.#store.fileOf(stream.name, started, own);
      const about = { number: own, file, started, ended, times, trigger };
      return planOf(stream, about, era, index === 0 ? undefined : era.step);
    });
  }
}
