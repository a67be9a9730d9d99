/**
 * A track for each vCPU of a host's guests, as generic track events: when its thread ran, and when it could run and did not, with
 * what had its CPU meanwhile. All events of the host are read once more, so that its slices are those of the summaries.
 */
import { foreignText } from "../../base/foreign-text.ts";
import { counted } from "../../base/plural.ts";
import { EventIterator } from "../../timeline/event-iterator.ts";
import { formatCpuList } from "../../tracefs/cpu-list.ts";
import type { RecordedPart } from "../../trace-dat/parts.ts";
import type { Export, ExportResult } from "../exporter.ts";
import { viewLimits } from "../limits.ts";
import { Scheduling } from "../scheduling/scheduling.ts";
import type { SchedSlice, SchedulingTaker, Wait } from "../scheduling/slices.ts";
import { vcpuLimits } from "../vcpus/limits.ts";
import { packet } from "./packets.ts";
import { ProtoWriter } from "./proto-writer.ts";
import { sliceBegin, sliceEnd, trackDescriptor } from "./track-events.ts";

const flushBytes = 1024 * 1024;
/** Ids of tracks begin here: others', of processes and threads, are small or random ones of 64 bits. */
const firstTrack = 2 ** 32;
/** A sequence of packets of its own: numbers of names in others are none of its. */
const sequence = 2;

/** `lastEnd`: where the last slice of it ended. Slices of a track may not overlap. */
type Track = { uuid: number; lastEnd: number };

export class VcpuTracks implements Export, SchedulingTaker {
  readonly #out = new ProtoWriter(flushBytes * 2);
  readonly #write: (bytes: Uint8Array) => void;
  readonly #iterator: EventIterator;
  readonly #scheduling: Scheduling;
  readonly #tracks = new Map<number, Track>();
  #isFirst = true;
  #slices = 0;

  constructor({ source }: RecordedPart, write: (bytes: Uint8Array) => void) {
    this.#write = write;
    // Losses may be told before there is anyone to hear of them.
    const early: number[] = [];
    let gap = (cpu: number): void => void early.push(cpu);
    this.#iterator = new EventIterator(source, {}, { gap: (cpu) => gap(cpu) });
    this.#iterator.pauseAfter = viewLimits.skippedEventsMax;
    const scheduling = new Scheduling(this.#iterator.catalog, this, { cpus: source.cpus.length });
    gap = (cpu) => scheduling.gap(cpu);
    for (const cpu of early) gap(cpu);
    this.#scheduling = scheduling;
    this.#describe(source.metadata.guests ?? []);
  }

  step(isFull: () => boolean): boolean {
    const endMs = performance.now() + viewLimits.sliceMs;
    const { record } = this.#iterator;
    for (let count = 1; this.#iterator.next(); count++) {
      this.#scheduling.add(record, this.#iterator.kind);
      if (count % viewLimits.sliceEvents !== 0) continue;
      if (performance.now() >= endMs || isFull()) return true;
    }
    return this.#iterator.paused;
  }

  finish(): ExportResult {
    this.#scheduling.finish();
    this.#flush();
    return { isWhole: true, warnings: [], amount: `${counted(this.#slices, "slice")} of vCPUs` };
  }

  slice({ pid, start, end, cpu }: SchedSlice): void {
    const track = this.#tracks.get(pid);
    if (track !== undefined) this.#add(track, "running", start, end, cpu);
  }

  wait({ pid, start, end, cause, cpu: ranOn }: Wait): void {
    const track = this.#tracks.get(pid);
    if (track === undefined) return;
    // As in vcpus/host-vcpus.ts.
    const cpu = cause === "preempted" ? (this.#scheduling.tasks.find(pid)?.cpu ?? ranOn) : ranOn;
    this.#add(track, `waiting${this.#byWhom(cpu, start, end)}`, start, end, cpu);
  }

  /** Who had most of the CPU's time. */
  #byWhom(cpu: number, start: number, end: number): string {
    const [most] = this.#scheduling.meanwhile(cpu, start, end).ran;
    if (most === undefined) return "";
    const { pid } = most;
    return pid === 0 ? " (CPU idle)" : ` (by ${foreignText(this.#scheduling.catalog.tasks.text(pid))}-${pid})`;
  }

  #add(track: Track, name: string, start: number, end: number, cpu: number): void {
    const from = Math.max(start, track.lastEnd);
    if (end < from) return;
    track.lastEnd = end;
    this.#slices++;
    const [begin, until] = [this.#time(from), this.#time(end)];
    this.#packet(() => sliceBegin(this.#out, { time: begin, track: track.uuid, name, cpu }));
    this.#packet(() => sliceEnd(this.#out, { time: until, track: track.uuid }));
  }

  /** A time below 0, which an offset may cause, becomes 0: Perfetto has none. */
  #time(stamp: number): bigint {
    const time = this.#iterator.epoch + BigInt(Math.round(stamp));
    return time < 0n ? 0n : BigInt.asUintN(64, time);
  }

  /** A group for each guest, its vCPUs in their order. */
  #describe(guests: readonly { name: string; tasks: readonly number[] }[]): void {
    let uuid = firstTrack;
    for (const { name, tasks } of guests) {
      const group = uuid++;
      this.#packet(() => trackDescriptor(this.#out, { uuid: group, name: `vCPUs of ${foreignText(name)}` }));
      for (const [task, vcpus] of vcpusByTask(tasks)) {
        if (this.#tracks.has(task) || this.#tracks.size >= vcpuLimits.vcpus) continue;
        const track = { uuid: uuid++, lastEnd: -Infinity };
        this.#tracks.set(task, track);
        const of = { group, rank: vcpus[0] ?? 0 };
        const named = `${foreignText(name)} vCPU ${formatCpuList(vcpus)}`;
        this.#packet(() => trackDescriptor(this.#out, { uuid: track.uuid, name: named, of }));
      }
    }
  }

  #packet(body: () => void): void {
    packet(this.#out, { machine: 0, first: this.#isFirst, sequence }, body);
    this.#isFirst = false;
    if (this.#out.length >= flushBytes) this.#flush();
  }

  #flush(): void {
    if (this.#out.length > 0) this.#write(this.#out.bytes.subarray(0, this.#out.length));
    this.#out.length = 0;
  }
}

/** A single thread may run all of them. */
function vcpusByTask(tasks: readonly number[]): Map<number, number[]> {
  const all = new Map<number, number[]>();
  for (const [vcpu, task] of tasks.entries()) {
    const others = all.get(task);
    if (others !== undefined) others.push(vcpu);
    else if (task > 0) all.set(task, [vcpu]);
  }
  return all;
}

/** Whether a part says which of its tasks ran guests. */
export function namesGuests({ source: { metadata } }: RecordedPart): boolean {
  return metadata.guests?.some(({ tasks }) => tasks.some((task) => task > 0)) ?? false;
}
