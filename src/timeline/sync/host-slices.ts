/** When the host ran the vCPU threads of a guest, from the sched_switch events of the host's recording. */
import { EventIterator } from "../event-iterator.ts";
import type { Reader } from "../../events/print-format/number-node.ts";
import type { EventText } from "../../events/trace-metadata.ts";
import { clockOf } from "../../tracefs/trace-clocks.ts";
import type { TraceSource } from "../../trace-dat/trace-source.ts";
import type { HostSlices } from "./refiner.ts";
import { VcpuSlices } from "./vcpu-slices.ts";

const switching = "sched:sched_switch";

function isSwitch({ system, text }: EventText): boolean {
  return system === "sched" && /^name: sched_switch$/m.test(text);
}

/** A thread of a guest's vCPUs; one may run all of them. */
type Runner = { readonly slices: VcpuSlices; readonly guest: RecordedSlices };

/** The host's recording, read once for all guests whose slices are asked for before. */
export class HostSwitches {
  readonly begin: number;
  end: number;
  /** Times of the host count from here. */
  readonly epoch: bigint;
  readonly clock: string;
  readonly #events: EventIterator;
  readonly #runners: Runner[] = [];
  /** By task: two guests may be told the same, of which one is wrong. */
  readonly #byTask = new Map<number, Runner[]>();
  /** By host CPU, the time of its last event: what was lost came after it. */
  readonly #lastOfCpu: number[] = [];
  /** By host CPU, where events were lost before the next one. */
  readonly #lostAfter: (number | undefined)[] = [];
  #pending: boolean;
  #prevPid: Reader = () => -1;
  #nextPid: Reader = () => -1;
  #kind: unknown;

  constructor(source: TraceSource) {
    const hasSwitches = source.metadata.formats.some(isSwitch);
    this.#events = new EventIterator(source, hasSwitches ? { events: [switching] } : {}, {
      lost: (cpu) => (this.#lostAfter[cpu] = this.#lastOfCpu[cpu] ?? this.begin ?? -Infinity),
    });
    this.epoch = this.#events.epoch;
    this.clock = clockOf(source.metadata);
    this.#pending = this.#events.next() && hasSwitches;
    this.begin = this.#events.record.timestamp;
    this.end = this.begin;
  }

  /** `tasks`: by vCPU, the host's task that runs it; -1 where that is not known. */
  slicesOf(tasks: readonly number[]): RecordedSlices {
    const ofTask = new Map<number, VcpuSlices>();
    const guest = new RecordedSlices(
      this,
      tasks.map((task) => {
        if (task <= 0) return undefined;
        const slices = ofTask.get(task) ?? new VcpuSlices();
        ofTask.set(task, slices);
        return slices;
      }),
    );
    for (const [task, slices] of ofTask) {
      const runner = { slices, guest };
      this.#runners.push(runner);
      this.#byTask.set(task, [...(this.#byTask.get(task) ?? []), runner]);
    }
    return guest;
  }

  /** `most`: switches to or from the threads of one guest. */
  readTo(time: number, most = Infinity): void {
    const [first] = this.#runners;
    while (this.#pending && this.end <= time && (first?.guest.switches ?? 0) < most) {
      this.#take();
      this.#pending = this.#events.next();
    }
  }

  #take(): void {
    const { record, kind } = this.#events;
    const now = record.timestamp;
    this.end = now;
    if (kind !== this.#kind && kind !== undefined) {
      this.#kind = kind;
      this.#prevPid = kind.number("prev_pid")?.low ?? this.#prevPid;
      this.#nextPid = kind.number("next_pid")?.low ?? this.#nextPid;
    }
    const lostSince = this.#lostAfter[record.cpu];
    if (lostSince !== undefined) {
      // Any of the threads may have come and gone on this CPU.
      for (const { slices } of this.#runners) slices.mayHaveRun(lostSince, now);
      this.#lostAfter[record.cpu] = undefined;
    }
    const before = this.#byTask.get(this.#prevPid(record));
    const next = this.#byTask.get(this.#nextPid(record));
    if (before !== undefined)
      for (const { slices, guest } of before) {
        slices.end(now, this.#lastOfCpu[record.cpu] ?? this.begin);
        guest.switches++;
      }
    if (next !== undefined)
      for (const { slices, guest } of next) {
        slices.begin(now);
        guest.switches++;
      }
    this.#lastOfCpu[record.cpu] = now;
  }
}

/** What of it is one guest's. */
export class RecordedSlices implements Omit<HostSlices, "readTo"> {
  readonly vcpus: readonly (VcpuSlices | undefined)[];
  /** Switches to or from a vCPU thread so far. */
  switches = 0;
  readonly #host: HostSwitches;

  constructor(host: HostSwitches, vcpus: readonly (VcpuSlices | undefined)[]) {
    this.#host = host;
    this.vcpus = vcpus;
  }

  get begin(): number {
    return this.#host.begin;
  }

  get end(): number {
    return this.#host.end;
  }

  get epoch(): bigint {
    return this.#host.epoch;
  }
}
