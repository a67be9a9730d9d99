/** When the host ran the vCPU threads of a guest, from the sched_switch events of the host's recording. */
import { EventIterator } from "../event-iterator.ts";
import type { Reader } from "../../events/print-format/number-node.ts";
import type { EventText } from "../../events/trace-metadata.ts";
import type { TraceSource } from "../../trace-dat/trace-source.ts";
import type { HostSlices } from "./refine.ts";
import { VcpuSlices } from "./vcpu-slices.ts";

const switching = "sched:sched_switch";

function isSwitch({ system, text }: EventText): boolean {
  return system === "sched" && /^name: sched_switch$/m.test(text);
}

export class RecordedSlices implements HostSlices {
  readonly vcpus: readonly (VcpuSlices | undefined)[];
  readonly begin: number;
  end: number;
  /** Times of the host count from here. */
  readonly epoch: bigint;
  /** Switches to or from a vCPU thread so far. */
  switches = 0;
  readonly #events: EventIterator;
  readonly #byTask = new Map<number, VcpuSlices>();
  /** By host CPU, the time of its last event: what was lost came after it. */
  readonly #lastOfCpu: number[] = [];
  /** By host CPU, where events were lost before the next one. */
  readonly #lostAfter: (number | undefined)[] = [];
  #pending: boolean;
  #prevPid: Reader = () => -1;
  #nextPid: Reader = () => -1;
  #kind: unknown;

  /** `tasks`: by vCPU, the host's task that runs it; -1 where that is not known. */
  constructor(source: TraceSource, tasks: readonly number[]) {
    this.vcpus = tasks.map((task) => {
      if (task <= 0) return undefined;
      // One thread may run all vCPUs.
      const slices = this.#byTask.get(task) ?? new VcpuSlices();
      this.#byTask.set(task, slices);
      return slices;
    });
    const hasSwitches = source.metadata.formats.some(isSwitch);
    this.#events = new EventIterator(source, hasSwitches ? { events: [switching] } : {}, {
      lost: (cpu) => (this.#lostAfter[cpu] = this.#lastOfCpu[cpu] ?? this.begin ?? -Infinity),
    });
    this.epoch = this.#events.epoch;
    this.#pending = this.#events.next() && hasSwitches;
    this.begin = this.#events.record.timestamp;
    this.end = this.begin;
  }

  /** `most`: slices that are begun by then. */
  readTo(time: number, most = Infinity): void {
    while (this.#pending && this.end <= time && this.switches < 2 * most) {
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
      for (const slices of this.#byTask.values()) slices.mayHaveRun(lostSince, now);
      this.#lostAfter[record.cpu] = undefined;
    }
    const before = this.#byTask.get(this.#prevPid(record));
    const next = this.#byTask.get(this.#nextPid(record));
    if (before !== undefined) before.end(now, this.#lastOfCpu[record.cpu] ?? this.begin);
    if (next !== undefined) next.begin(now);
    if (before !== undefined || next !== undefined) this.switches++;
    this.#lastOfCpu[record.cpu] = now;
  }
}
