/**
 * Where a window of a guest's events lies on its host's clock, when no more is known than round trips tell: the offset, and the
 * drift in the window, for which the events lie within their vCPUs' time on a CPU (votes.ts) - if no other place fits nearly as well.
 */
import { timelineLimits } from "../limits.ts";
import { halfWidth, type Interval, middle } from "./interval.ts";
import type { Ballot, SweepOptions, VcpuEvents, Vote } from "./votes.ts";

export type EventWindow = {
  readonly from: number;
  readonly to: number;
  readonly vcpus: readonly VcpuEvents[];
  readonly count: number;
};

export class WindowVote {
  readonly #ballot: Ballot;
  #drift = 0;
  #driftKnown = false;
  /** Windows in a row of which none was clear. */
  #misses = 0;

  constructor(ballot: Ballot) {
    this.#ballot = ballot;
  }

  /**
   * In the middle of the window; undefined where it is not clear. A wrong drift narrows the answer to what does not hold the truth:
   * the right one leaves most room. It is found for the first window among all, later near that of the window before.
   */
  find(window: EventWindow, range: Interval): Vote | undefined {
    if (window.count < timelineLimits.syncLeastEvents) return undefined;
    if (!this.#driftKnown) {
      const { syncDriftTries, syncDriftTriesEvery } = timelineLimits;
      if (this.#misses++ >= syncDriftTries && this.#misses % syncDriftTriesEvery !== 0) return undefined;
      this.#drift = this.#bestDrift(window, range, 0, timelineLimits.syncDriftSteps, timelineLimits.syncDriftStepNs);
      this.#drift = this.#bestDrift(window, range, this.#drift, 4, timelineLimits.syncDriftStepNs / 4);
    }
    this.#drift = this.#bestDrift(window, range, this.#drift, 1, timelineLimits.syncDriftStepNs / 4);
    const vote = this.#vote(window, range, this.#drift);
    this.#driftKnown = vote !== undefined;
    if (this.#driftKnown) this.#misses = 0;
    return vote;
  }

  /** Of so many steps on both sides; a step changes the offset by `stepNs` over the window. */
  #bestDrift(window: EventWindow, range: Interval, around: number, steps: number, stepNs: number): number {
    const { syncApartNs, syncDriftVotes, syncDriftApart } = timelineLimits;
    const step = stepNs / Math.max(1, window.to - window.from);
    const tried: { drift: number; inside: number; width: number }[] = [];
    let [most, voters] = [0, 0];
    for (let index = -steps; index <= steps; index++) {
      const drift = around + step * index;
      const how = someOf(window, range, drift, syncDriftVotes);
      const { inside, offset, events } = this.#ballot.sweep(window.vcpus, range, syncApartNs, how);
      tried.push({ drift, inside, width: offset.high - offset.low });
      most = Math.max(most, inside);
      voters = events;
    }
    const fitting = tried.filter(({ inside }) => inside >= most - voters * syncDriftApart);
    return fitting.reduce(
      (best, one) => (one.width > best.width ? one : best),
      fitting[0] ?? { drift: around, width: 0 },
    ).drift;
  }

  #vote(window: EventWindow, range: Interval, drift: number): Vote | undefined {
    const { syncApartNs, syncInsideLeast, syncNarrowerLeast, syncLeastEvents } = timelineLimits;
    const some = someOf(window, range, drift, timelineLimits.syncVotes);
    if (window.count / some.stride < syncLeastEvents) return undefined;
    const coarse = this.#ballot.sweep(window.vcpus, range, syncApartNs, some);
    if (coarse.inside < coarse.events * syncInsideLeast || !isClear(coarse)) return undefined;
    const around = {
      low: Math.max(range.low, coarse.offset.low - syncApartNs),
      high: Math.min(range.high, coarse.offset.high + syncApartNs),
    };
    const every = { ...some, stride: 1 };
    const vote = some.stride === 1 ? coarse : this.#ballot.sweep(window.vcpus, around, syncApartNs, every);
    if (vote.inside < vote.events * syncInsideLeast) return undefined;
    return halfWidth(vote.offset) > halfWidth(range) * syncNarrowerLeast ? undefined : vote;
  }
}

function someOf(window: EventWindow, range: Interval, drift: number, votes: number): SweepOptions & { stride: number } {
  const { syncIntervalsMax } = timelineLimits;
  // In a wide range there are many slices for each event: fewer events vote, so that memory and time are bounded.
  const stride = Math.ceil(Math.max(1, window.count / votes, intervalsOf(window, range) / syncIntervalsMax));
  return { stride, drift, middle: middle({ low: window.from, high: window.to }) };
}

/** About how many slices all events allow in the range. */
function intervalsOf({ from, to, vcpus }: EventWindow, { low, high }: Interval): number {
  const span = to - from + (high - low);
  return vcpus.reduce(
    (sum, { times, slices }) => sum + (times.end - times.start) * (1 + (slices.begins.length * (high - low)) / span),
    0,
  );
}

/**
 * Whether no other offset fits nearly as well. Of a wrong mapping the best two differ by little: 1324 and 1327 misfits of 2000. Of the
 * right one nothing is misfit, and elsewhere what lies near the ends of slices: 1 % where these are long.
 */
function isClear({ events, inside, runnerUp, offset }: Vote): boolean {
  const { syncRunnerUpMost, syncMisfitsLeast, syncMisfitsTimes, syncApartNs } = timelineLimits;
  if (runnerUp < events * syncRunnerUpMost) return true;
  if (offset.high - offset.low > syncApartNs) return false;
  return events - runnerUp >= syncMisfitsLeast + syncMisfitsTimes * (events - inside);
}
