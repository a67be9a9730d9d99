/** What round trips tell of a machine's clock while its recording is cut, and where the clock stepped. */
import { timelineLimits } from "../../timeline/limits.ts";
import type { Step } from "../../timeline/sync/eras.ts";
import type { ClockBurst } from "../../trace-dat/spool/clock-bursts.ts";
import type { SpoolCut, SpoolCuts } from "../../trace-dat/spool/spool-cuts.ts";

/** By CPU, at which time its events are divided in the sub-buffer that begins before a place in its stream, and ends after it. */
export type Divided = ReadonlyMap<number, bigint>;

/** Of what is a segment: its own bursts are those from `first` on up to `behind`, of all that there were. */
export type Passed = {
  readonly first: number;
  readonly behind: number;
  /** Those from here on are left for what follows. */
  readonly kept: number;
  /** The step that ends it, and what is divided by that in the sub-buffer behind its last. */
  readonly next: Step<bigint> | undefined;
  readonly end: Divided;
  /** By CPU, the time stamp of the last sub-buffer up to there. */
  readonly stamps: ReadonlyMap<number, bigint>;
};

export class StreamEras {
  readonly bursts: ClockBurst[] = [];
  /** What is not in segments yet begins within these sub-buffers, behind those of these time stamps, and with a step of the clock. */
  begin: Divided = new Map();
  stamps: ReadonlyMap<number, bigint> = new Map();
  step: Step<bigint> | undefined;
  /** So many bursts were before these. */
  forgotten = 0;
  #behind = 0;
  /** So many bursts had come when all of a cut was told: later ones tell of what came later. */
  #told = Infinity;

  told(isTold: boolean): void {
    this.#told = isTold ? this.count : Infinity;
  }

  /** When they were told, by the guest's clock of then, or a little later. */
  get until(): bigint | undefined {
    const last = this.#told === Infinity ? undefined : this.known.at(-1);
    return last && last.at + BigInt(timelineLimits.stepSlackNs);
  }

  /** Of them those that tell of a cut. */
  get known(): readonly ClockBurst[] {
    return this.bursts.slice(0, Math.max(0, this.#told - this.forgotten));
  }

  /** Of all bursts. */
  get count(): number {
    return this.forgotten + this.bursts.length;
  }

  /** By a recorder that was killed. */
  left(bursts: readonly ClockBurst[], passed: SpoolCuts["passed"]): void {
    this.bursts.push(...bursts);
    this.pass(this.read(passed));
  }

  /** Bursts of before `from` are of no use any more, but for the last one: it tells of a step that comes. */
  forget(from: bigint): void {
    if (this.step !== undefined) return;
    const own = this.bursts.slice(0, Math.max(0, this.#behind - this.forgotten));
    this.#drop(own.findLastIndex(({ at }) => at <= from));
  }

  /** The same by the number of a burst. */
  forgetBefore(burst: number): void {
    this.#drop(burst - this.forgotten);
  }

  /** All up to there is in segments, or noted to be. */
  pass({ behind, kept, next, end, stamps }: Passed): void {
    this.begin = end;
    this.stamps = stamps;
    this.step = next;
    this.#behind = behind;
    this.#drop(kept - this.forgotten);
  }

  ofPart({ first, behind }: Pick<Passed, "first" | "behind">): readonly ClockBurst[] {
    return this.bursts.slice(Math.max(0, first - this.forgotten), Math.max(0, behind - this.forgotten));
  }

  /** The same from the line of a cut, of which some may be older than this. */
  read({ bursts, step, stamps }: SpoolCuts["passed"]): Passed {
    const { first, behind, kept } = bursts ?? {
      first: this.forgotten,
      behind: this.forgotten + this.bursts.length,
      kept: this.forgotten,
    };
    return {
      first,
      behind,
      kept,
      next: step && stepIn(step),
      end: timesIn(step?.end),
      stamps: timesIn(stamps),
    };
  }

  #drop(count: number): void {
    if (count <= 0) return;
    this.bursts.splice(0, count);
    this.forgotten += count;
  }
}

/** What a cut's line tells of the steps before and after it. */
export function lineOf(
  { first, behind, kept, next, end, stamps }: Passed,
  begun: Step<bigint> | undefined,
): Partial<SpoolCut> {
  return {
    ...(behind === 0 ? {} : { bursts: { first, behind, kept }, stamps: lineOfTimes(stamps) }),
    ...(begun === undefined ? {} : { begun: lineOfStep(begun) }),
    ...(next === undefined ? {} : { step: { ...lineOfStep(next), end: lineOfTimes(end) } }),
  };
}

export function stepIn({ from, to, ns }: NonNullable<SpoolCut["begun"]>): Step<bigint> {
  return { from: BigInt(from), to: BigInt(to), by: Number(ns) };
}

function lineOfStep({ from, to, by }: Step<bigint>): NonNullable<SpoolCut["begun"]> {
  return { from: `${from}`, to: `${to}`, ns: `${Math.round(by)}` };
}

function lineOfTimes(times: ReadonlyMap<number, bigint>): [number, string][] {
  return [...times].map(([cpu, time]) => [cpu, `${time}`]);
}

function timesIn(told: readonly (readonly [number, string])[] = []): Map<number, bigint> {
  return new Map(told.map(([cpu, time]) => [cpu, BigInt(time)]));
}
