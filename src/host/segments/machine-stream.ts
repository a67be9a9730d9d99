/**
 * The streams of one machine whose recording is cut while it goes on: they lie in pieces in its spool, a cut is a place in each of
 * them between two sub-buffers, and pieces that are in segments, or too old, are removed.
 */
import type { ClockReading } from "../../../ffi/clocks.ts";
import { messageOf } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import { mergeMetadata } from "../../events/metadata-files.ts";
import type { Metadata, TraceMetadata } from "../../events/trace-metadata.ts";
import type { StatusReply } from "../../protocol/replies.ts";
import { layoutOf, parseHeaderPage, type SubBufferLayout } from "../../ring-buffer/sub-buffer.ts";
import { clockOf, isTimeOfDay } from "../../tracefs/trace-clocks.ts";
import type { SessionMachine } from "../../trace-dat/session/session-file.ts";
import { type ReadableClock, readableClocks } from "../../trace-dat/spool/clock-bursts.ts";
import type { Spool } from "../../trace-dat/spool/spool.ts";
import type { SpoolEnd, SpoolSession } from "../../trace-dat/spool/spool-fields.ts";
import type { RecordedStream } from "../../trace-dat/write/recording.ts";
import type { PackedSection } from "../../trace-dat/write/v7-sections.ts";
import type { StreamReader } from "../run/data-port-reader.ts";
import type { RunObserver } from "../run/run-observer.ts";
import type { CutCounters } from "../run/run-sink.ts";
import { HeldPieces } from "./held-pieces.ts";
import { type Passed, StreamEras } from "./stream-eras.ts";
import { Places, type Positions } from "./positions.ts";
import { StreamMetadata } from "./stream-metadata.ts";

type MachineParts = { name: string; kind: SessionMachine["kind"]; spool: Spool; session: SpoolSession };

export class MachineStream {
  readonly name: string;
  readonly kind: SessionMachine["kind"];
  readonly spool: Spool;
  readonly session: SpoolSession;
  layout: SubBufferLayout = layoutOf(4096, 8);
  /** Up to here all is in segments, or is not wanted any more. */
  from: Positions = new Map();
  /** The kernel's counters: at the last cut, and now; what the run ended with. */
  counters: { last: StatusReply | undefined; now: StatusReply | undefined } = { last: undefined, now: undefined };
  end: SpoolEnd | undefined;
  readonly eras = new StreamEras();
  readonly places = new Places();
  /** Counters are wanted, or were and did not come. */
  countersWanted = false;
  /** What had come when they were told for a cut, with names and round trips, which tell nothing of what came later. */
  #toldAt: Positions | undefined;
  isRunning = false;
  /** What the machine told of itself, and notes, on the disk beside its streams. */
  toldBytes = 0;
  /** Called for a byte that has no room any more. */
  isFull: () => boolean = () => false;
  readonly #pieceBytesFor: (cpus: number, subBufferBytes: number) => number;
  #pieceBytes = 0;
  readonly #told: StreamMetadata;
  #readers: readonly StreamReader[] = [];
  /** By CPU, the first piece that is still there, and when the next ones were begun (performance.now()). */
  readonly #first = new Map<number, number>();
  readonly #begun = new Map<number, Map<number, number>>();
  readonly #held = new HeldPieces((cpu, index) => this.spool.removePiece(cpu, index));

  constructor(
    { name, kind, spool, session }: MachineParts,
    pieceBytesFor: (cpus: number, subBufferBytes: number) => number,
  ) {
    this.name = name;
    this.kind = kind;
    this.spool = spool;
    this.session = session;
    this.#told = new StreamMetadata(name, spool);
    this.#pieceBytesFor = pieceBytesFor;
  }

  /** What a recorder left that was killed. Throws an AgentError. */
  static left(name: string, kind: SessionMachine["kind"], spool: Spool): MachineStream {
    const session = spool.readSession();
    const stream = new MachineStream({ name, kind, spool, session }, () => session.pieceBytes ?? 0);
    const start = spool.readMetadata("start");
    const metadata = mergeMetadata(start, spool.readMetadata("end"));
    const none = { uname: name, cpus: 1, formats: [], cpuStats: [] };
    const { hello } = session;
    stream.#told.left(metadata ?? none, start ?? metadata ?? none);
    stream.layout =
      parseHeaderPage(metadata?.headerPage ?? "") ?? layoutOf(hello?.subBufferSize ?? 4096, hello?.longSize ?? 8);
    const streams = spool.streams();
    stream.#pieceBytes = session.pieceBytes ?? 0;
    stream.#readers = streams.map(({ cpu, from, bytes }) => ({ cpu, received: from + bytes }));
    stream.from = new Map(streams.map(({ cpu, from }) => [cpu, from]));
    for (const { cpu, from } of streams) stream.#first.set(cpu, Math.floor(from / Math.max(1, stream.#pieceBytes)));
    stream.eras.left(spool.readBursts(), spool.readCuts().passed);
    stream.toldBytes = spool.otherBytes;
    stream.end = spool.readEnd();
    return stream;
  }

  observer(): RunObserver {
    return {
      begin: ({ hello, body }, readers) => {
        this.session.hello = hello;
        const head = this.#told.begin(body);
        this.layout = parseHeaderPage(head.headerPage ?? "") ?? layoutOf(hello.subBufferSize, hello.longSize);
        this.#readers = readers;
        this.from = new Map(readers.map(({ cpu }) => [cpu, 0]));
        this.#pieceBytes = this.#pieceBytesFor(readers.length, this.layout.sizeBytes);
        this.toldBytes = this.spool.otherBytes;
        return this.#pieceBytes;
      },
      pieceBegins: (cpu, index) => {
        const begun = this.#begun.get(cpu) ?? new Map<number, number>();
        this.#begun.set(cpu, begun.set(index, performance.now()));
      },
      started: ({ before, start, vcpus }) => {
        Object.assign(this.session, { before, start, vcpus });
        this.counters = { last: before, now: before };
        this.isRunning = true;
      },
      burst: (burst) => void this.eras.bursts.push(burst),
      isFull: () => this.isFull(),
      wantsCounters: () => this.countersWanted,
      counters: (told) => this.#note(told),
      ended: (end) => {
        this.untold();
        this.end = end;
        this.counters.now = end.after ?? this.counters.now;
        this.isRunning = false;
      },
      finalMetadata: (body) => {
        this.#told.noteFinal(body);
        this.toldBytes = this.spool.otherBytes;
      },
    };
  }

  /** As it was before its events were set, as far as that is known: clock and counters. */
  get untouched(): Metadata | undefined {
    return this.#told.head;
  }

  /** As of the start, without symbols, and with the names of the last cut. */
  get metadata(): Metadata | undefined {
    return this.#told.metadata;
  }

  /** Of its segments, with the symbols, which are not held. */
  tables(): Promise<readonly PackedSection[]> {
    return this.#told.tables();
  }

  get receivedBytes(): number {
    return this.#readers.reduce((sum, { received }) => sum + received, 0);
  }

  /** Not yet in a segment. */
  get pendingBytes(): number {
    return this.#readers.reduce((sum, { cpu, received }) => sum + received - (this.from.get(cpu) ?? 0), 0);
  }

  /** That lie on the disk. */
  get spoolBytes(): number {
    const removed = (cpu: number): number => (this.#first.get(cpu) ?? 0) * this.#pieceBytes;
    return this.#readers.reduce((sum, { cpu, received }) => sum + received - removed(cpu), 0);
  }

  /** That lie there beside these, because somebody reads them. */
  get lateBytes(): number {
    return this.#held.lateCount * this.#pieceBytes;
  }

  /** Until it is read, and `release` at the latest, this part stays on the disk when it is removed. */
  hold(from: Positions, to: Positions): void {
    this.#held.hold(from, to);
  }

  /** The same streams, of which each is read once, from its beginning to its end: what was read is held no longer. */
  readOnce(streams: readonly RecordedStream[]): RecordedStream[] {
    return streams.map((stream) => this.#held.readOnce(stream));
  }

  release(): void {
    this.#held.release();
  }

  /** All that came, in whole sub-buffers. */
  get whole(): Positions {
    const { sizeBytes } = this.layout;
    return new Map(this.#readers.map(({ cpu, received }) => [cpu, received - (received % sizeBytes)]));
  }

  /** A cut begins. */
  untold(): void {
    this.#toldAt = undefined;
    this.eras.told(false);
  }

  /** For a cut. */
  get told(): Positions {
    return this.#toldAt ?? this.whole;
  }

  /** Where the pieces that are still there begin. */
  get oldest(): Positions {
    const { sizeBytes } = this.layout;
    const begin = (cpu: number): number => (this.#first.get(cpu) ?? 0) * this.#pieceBytes;
    return new Map(this.#readers.map(({ cpu }) => [cpu, Math.ceil(begin(cpu) / sizeBytes) * sizeBytes]));
  }

  /** The places between which sub-buffers begin until `time`, and those that begin later. */
  after(time: bigint, from: Positions = this.from): Positions {
    const { layout, places } = this;
    return new Map(this.streams(from, this.told).map((one) => [one.cpu, places.firstAfter(one, layout, time)]));
  }

  streams(from: Positions, to: Positions): RecordedStream[] {
    return [...to].map(([cpu, end], nth) => {
      const begin = Math.min(from.get(cpu) ?? 0, end);
      // One of them by its name: a directory that was removed is told so.
      const reader = nth === 0 ? undefined : this.#readers.find((one) => one.cpu === cpu);
      const open = (index: number): number => reader?.openPiece?.(index) ?? this.spool.openPiece(cpu, index);
      const [path, pieces] = [`${this.spool.path}/cpu${cpu}.*`, { pieceBytes: this.#pieceBytes, open }];
      return { cpu, path, skipBytes: begin, bytes: end - begin, pieces };
    });
  }

  /** By its trace clock, when the host's clocks show this: by its own reading, by round trips, or else by what came last. */
  timeAt(reading: ClockReading): bigint | undefined {
    const clock = this.clock();
    if (this.kind === "host" && clock !== undefined) return reading.at(clock);
    const burst = this.eras.known.findLast(({ offsets }) => offsets.mono_raw.low <= offsets.mono_raw.high);
    // Where somebody sets it, no round trip tells: it may be ahead of all that is asked for, for hours.
    if (burst === undefined || isTimeOfDay(burst.clock)) return this.latest();
    const { low, high } = burst.offsets.mono_raw;
    return reading.at("mono_raw") - (low + high) / 2n;
  }

  /** When the last sub-buffer of all that came begins. */
  latest(): bigint | undefined {
    const { layout, places } = this;
    const times = this.streams(this.from, this.whole).flatMap((stream) => places.lastTime(stream, layout) ?? []);
    return times.toSorted((a, b) => (a < b ? -1 : 1)).at(-1);
  }

  /** Where it cannot be noted a successor finds what it would find without a cut. */
  noteCut(cut: Parameters<Spool["addCut"]>[0]): void {
    try {
      this.spool.addCut(cut);
    } catch (error) {
      log.debug(`cannot note a cut: ${messageOf(error)}`);
    }
    this.toldBytes = this.spool.otherBytes;
  }

  removeBelow(positions: Positions): void {
    for (const [cpu, position] of positions) {
      let first = this.#first.get(cpu) ?? 0;
      for (; (first + 1) * this.#pieceBytes <= position; first++) this.#removePiece(cpu, first);
      this.#first.set(cpu, first);
    }
  }

  /** The oldest piece that is full, and when it was: its CPU, where it ends, performance.now(). */
  oldestPiece(): { cpu: number; end: number; fullMs: number } | undefined {
    let oldest: { cpu: number; end: number; fullMs: number } | undefined;
    for (const { cpu } of this.#readers) {
      const next = (this.#first.get(cpu) ?? 0) + 1;
      const fullMs = this.#begun.get(cpu)?.get(next);
      const end = next * this.#pieceBytes;
      if (fullMs === undefined) continue;
      if (oldest === undefined || fullMs < oldest.fullMs) oldest = { cpu, end, fullMs };
    }
    return oldest;
  }

  traceMetadata(): TraceMetadata | undefined {
    const { metadata, layout } = this;
    return metadata === undefined ? undefined : { ...metadata, layout };
  }

  /** All up to there is in segments, or noted to be. */
  pass(part: Passed & { readonly to: Positions }): void {
    this.from = part.to;
    this.eras.pass(part);
  }

  clock(): ReadableClock | undefined {
    return readableClocks.find((known) => known === clockOf(this.#told.head ?? {}));
  }

  #removePiece(cpu: number, index: number): void {
    this.#begun.get(cpu)?.delete(index);
    const begin = index * this.#pieceBytes;
    this.#held.remove(cpu, index, { begin, end: begin + this.#pieceBytes });
  }

  #note(told: CutCounters | undefined): void {
    this.countersWanted = false;
    this.#toldAt = this.whole;
    this.eras.told(true);
    if (told === undefined) return;
    this.counters.now = told.status;
    if (told.body !== undefined) this.#told.note(told.body);
  }
}
