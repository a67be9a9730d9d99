/**
 * Where the clock of a machine stepped whose newest seconds are kept, noted as it is found: so a snapshot reads few time stamps for it, and
 * none any more when all that it can hold is of after the step.
 */
import type { StepWindow } from "../../timeline/sync/divide-streams.ts";
import { knownEras } from "../../timeline/sync/spooled-bursts.ts";
import { timelineLimits } from "../../timeline/limits.ts";
import { hostLimits } from "../limits.ts";
import type { MachineStream } from "./machine-stream.ts";
import type { Positions } from "./positions.ts";

const nsOfMs = 1e6;

/** `burst`: the number of the first one behind it. `settled`: by the machine's clock, when all of before it had come. */
type RingStep = {
  readonly burst: number;
  readonly foundMs: number;
  readonly window: StepWindow;
  readonly settled: bigint | undefined;
};

export class RingSteps {
  readonly #stream: MachineStream;
  readonly #heldNs: bigint;
  readonly #lagMs: number;
  /** What had come at the last burst, and at the one before: at its end the clock may have stepped already. */
  #came: Positions = new Map();
  #cameBefore: Positions = new Map();
  #steps: readonly RingStep[] = [];
  /** Before it nothing is of the clock as it is now. */
  #begin: Positions = new Map();

  /** `heldMs`: how far a snapshot goes back; `lagMs`: how long what is written may be on its way. */
  constructor(stream: MachineStream, { heldMs, lagMs }: { heldMs: number; lagMs: number }) {
    this.#stream = stream;
    // A snapshot's moment is so long ago when its burst comes.
    this.#heldNs = BigInt(Math.ceil((heldMs + lagMs + 2 * hostLimits.cutReply.totalMs) * nsOfMs));
    this.#lagMs = lagMs;
  }

  /** Where what snapshots may hold begins. */
  get oldest(): Positions {
    return new Map([...this.#stream.oldest].map(([cpu, at]) => [cpu, Math.max(at, this.#begin.get(cpu) ?? 0)]));
  }

  readonly windowOf = (burst: number): StepWindow | undefined => this.#steps.find((one) => one.burst === burst)?.window;

  /** A burst has come, the last one of the stream's. */
  note(nowMs = performance.now()): void {
    const { eras, whole: came, kind } = this.#stream;
    const newest = eras.bursts.at(-1);
    const clock = this.#stream.clock();
    if (newest === undefined || clock === undefined || kind === "host") return;
    // It may have been told while the burst went on.
    const settled = newest.at + BigInt(timelineLimits.stepSlackNs + hostLimits.burstMs * nsOfMs);
    this.#steps = this.#steps.map((step) =>
      step.settled !== undefined || nowMs - step.foundMs < this.#lagMs
        ? step
        : { ...step, settled, window: { ...step.window, behind: came } },
    );
    const begun = knownEras(eras.bursts, clock).at(-1);
    const burst = eras.forgotten + (begun?.index ?? 0);
    if (begun?.step !== undefined && burst === eras.count - 1)
      this.#steps = [
        ...this.#steps,
        { burst, foundMs: nowMs, window: { before: this.#cameBefore, behind: undefined }, settled: undefined },
      ];
    this.#cameBefore = this.#came;
    this.#came = came;
    this.#forget(newest.at - this.#heldNs);
  }

  /**
   * What no snapshot holds any more, from `from` of the machine's clock on. Of bursts one of before that stays, which tells how the clock
   * went. A successor must not look for a step that nothing is there of.
   */
  #forget(from: bigint): void {
    const stream = this.#stream;
    const { eras } = stream;
    const last = this.#steps.at(-1);
    const { behind } = last?.window ?? {};
    if (last?.settled !== undefined && behind !== undefined && (last.settled <= from || this.#isPast(behind))) {
      const { burst } = last;
      this.#begin = behind;
      this.#steps = [];
      eras.forgetBefore(burst);
      const bursts = { first: burst, behind: burst, kept: burst };
      stream.noteCut({ number: 0, file: "", started: "", to: [...behind], bursts });
      stream.noteCut({ done: 0 });
    }
    if (this.#steps.length === 0) eras.forgetBefore(eras.forgotten + eras.bursts.findLastIndex(({ at }) => at <= from));
  }

  /** Nothing that is kept was there then. */
  #isPast(positions: Positions): boolean {
    return [...this.#stream.oldest].every(([cpu, at]) => at >= (positions.get(cpu) ?? 0));
  }
}
