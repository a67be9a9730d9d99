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
  #isAsked = false;
  readonly #streams: readonly MachineStream[];
  readonly #reading = new ClockReading();
  /** By the clocks of then, and how many bursts told it: the newest one counts, since a clock may step. */
  readonly #times: ReadonlyMap<MachineStream, { time: bigint | undefined; bursts: number }>;

  /** `latencyMs`: how long an event may wait in a guest. */
  constructor(streams: readonly MachineStream[], latencyMs: number) {
    this.#reading.take();
    for (const stream of streams) stream.untold();
    this.#streams = streams;
    this.#lagMs = latencyMs + hostLimits.cutLagMs;
    this.#times = new Map(
      streams.map((stream) => [stream, { time: stream.timeAt(this.#reading), bursts: stream.eras.count }]),
    );
  }

  /** Whether what began before the cut is here, and counters are, for which the machines are asked then: a clock may have stepped until then. */
  poll(): boolean {
    const waitedMs = performance.now() - this.#atMs;
    if (waitedMs >= this.#lagMs + 2 * hostLimits.cutReply.totalMs) return true;
    const running = this.#streams.filter(({ isRunning }) => isRunning);
    // Of one that is stopped nothing comes any more.
    if (running.length === 0) return true;
    if (waitedMs < this.#lagMs) return false;
    if (!this.#isAsked) for (const stream of running) stream.countersWanted = true;
    this.#isAsked = true;
    return running.every(({ countersWanted }) => !countersWanted);
  }

  timeOf(stream: MachineStream): bigint | undefined {
    const known = this.#times.get(stream);
    return known === undefined || known.bursts === stream.eras.count ? known?.time : stream.timeAt(this.#reading);
  }

  /** Without a time, all that is here. */
  positions(stream: MachineStream, from: Positions = stream.from): Positions {
    const time = this.timeOf(stream);
    return time === undefined ? stream.told : stream.after(time, from);
  }
}
