/** One time for all machines, and where it lies in the streams of each, once what began before it has come. */
import { ClockReading } from "../../../ffi/clocks.ts";
import { hostLimits } from "../limits.ts";
import type { MachineStream } from "./machine-stream.ts";
import type { Positions } from "./positions.ts";

export class Cut {
  /** UTC. */
  readonly utc = new Date().toISOString();
  readonly #atMs = performance.now();
  readonly #lagMs: number;
  readonly #streams: readonly MachineStream[];
  readonly #times: ReadonlyMap<MachineStream, bigint | undefined>;

  /** `latencyMs`: how long an event may wait in a guest. Asks the machines for their counters. */
  constructor(streams: readonly MachineStream[], latencyMs: number) {
    const reading = new ClockReading();
    reading.take();
    this.#streams = streams;
    this.#lagMs = latencyMs + hostLimits.cutLagMs;
    this.#times = new Map(streams.map((stream) => [stream, stream.timeAt(reading)]));
    for (const stream of streams) stream.countersWanted = true;
  }

  /** What began before the cut is here, and the counters are. */
  get isReady(): boolean {
    const waitedMs = performance.now() - this.#atMs;
    if (waitedMs >= this.#lagMs + 2 * hostLimits.cutReply.totalMs) return true;
    const running = this.#streams.filter(({ isRunning }) => isRunning);
    // Of one that is stopped nothing comes any more.
    if (running.length === 0) return true;
    return waitedMs >= this.#lagMs && running.every(({ countersWanted }) => !countersWanted);
  }

  timeOf(stream: MachineStream): bigint | undefined {
    return this.#times.get(stream);
  }

  /** Without a time, all that is here. */
  positions(stream: MachineStream, from: Positions = stream.from): Positions {
    const time = this.#times.get(stream);
    return time === undefined ? stream.whole : stream.after(time, from);
  }
}
