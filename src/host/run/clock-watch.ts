/** Measures the offset between a guest's clock and this machine's, by bursts of round trips on the control port. */
import { AgentError } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import { timelineLimits } from "../../timeline/limits.ts";
import { type Step, StepFinder } from "../../timeline/sync/eras.ts";
import { isEmpty } from "../../timeline/sync/interval.ts";
import { type Burst, burstOf, type RoundTrip } from "../../timeline/sync/round-trips.ts";
import { type ClockBurst, type ReadableClock, readableClocks } from "../../trace-dat/spool/clock-bursts.ts";
import { readMetadata } from "../../trace-dat/spool/metadata-read.ts";
import { parseTraceTime } from "../../tracefs/cpu-stats.ts";
import { countsNanoseconds } from "../../tracefs/trace-clocks.ts";
import { timeText } from "../../views/offset-text.ts";
import { guestTitle } from "../guest-directory.ts";
import { hostLimits } from "../limits.ts";
import type { CountersTrip } from "./guest-metadata.ts";
import type { ClockRound, Session } from "./session.ts";

/** The first stamps of a watch, from which all others count: differences are exact as numbers. */
type Epochs = { guest: bigint; host: Record<ReadableClock, bigint> };

export class ClockWatch {
  readonly #session: Session;
  readonly #clock: string;
  /** Undefined where the agent does not know the order, or no program can read the guest's trace clock: counters tell it then. */
  readonly #read: ReadableClock | undefined;
  readonly #keep: (burst: ClockBurst) => void;
  readonly #begunMs = performance.now();
  #nextMs = 0;
  #epochs: Epochs | undefined;
  readonly #steps: StepFinder;
  #wasUnclear = false;

  private constructor(session: Session, clock: string, keep: (burst: ClockBurst) => void) {
    this.#session = session;
    this.#clock = clock;
    this.#read = session.knows("clock") ? readableClocks.find((known) => known === clock) : undefined;
    this.#keep = keep;
    const { syncWanderPpm, syncDriftPpm } = timelineLimits;
    this.#steps = new StepFinder(this.#read === "mono_raw" ? syncWanderPpm : syncDriftPpm);
  }

  /** Undefined where nobody wants to know. */
  static of(
    session: Session,
    traceClock: string,
    keep: ((burst: ClockBurst) => void) | undefined,
  ): ClockWatch | undefined {
    return keep === undefined ? undefined : new ClockWatch(session, traceClock, keep);
  }

  /** The counters of a guest tell its trace time: some ms, or more, lie between the order for them and the reply. */
  takeCounters(trip: CountersTrip | undefined): void {
    if (this.#read !== undefined || trip === undefined || !countsNanoseconds(this.#clock)) return;
    const times = traceTimesIn(trip.body);
    const [first] = times;
    if (first === undefined) return;
    const earliest = times.reduce((least, time) => (time < least ? time : least), first);
    const latest = times.reduce((most, time) => (time > most ? time : most), first);
    const offsetOf = (clock: ReadableClock): { low: bigint; high: bigint } => ({
      // They are told in microseconds, cut.
      low: trip.sent.at(clock) - latest - 1_000n,
      high: trip.arrived.at(clock) - earliest,
    });
    this.#keep({
      clock: this.#clock,
      at: earliest,
      rounds: 1,
      offsets: { mono_raw: offsetOf("mono_raw"), mono: offsetOf("mono"), boot: offsetOf("boot") },
    });
  }

  async takeIfDue(enough: () => boolean): Promise<void> {
    if (performance.now() >= this.#nextMs) await this.take(enough);
  }

  /** One burst, of so many round trips at most. `enough` ends it early. */
  async take(enough: () => boolean = () => false, rounds: number = hostLimits.burstRounds): Promise<void> {
    const own = this.#read;
    if (own === undefined) return;
    const begunMs = performance.now();
    const trips: Record<ReadableClock, RoundTrip[]> = { mono_raw: [], mono: [], boot: [] };
    try {
      for (let round = 0; round < rounds; round++) {
        if (enough() || performance.now() - begunMs >= hostLimits.burstMs) break;
        const made = await this.#session.clockRound(hostLimits.burstAnswerMs, enough);
        if (made === undefined) break;
        for (const clock of readableClocks) trips[clock].push(this.#trip(made, clock, own));
      }
    } catch (error) {
      // The port is full: the guest hangs, or boots.
      if (!(error instanceof AgentError)) throw error;
    }
    const now = performance.now();
    const { burstEveryMs, burstsPerDuration } = hostLimits;
    // A short one is one more, at a cut.
    if (rounds >= hostLimits.burstRounds || this.#nextMs === 0)
      this.#nextMs = now + Math.max(burstEveryMs, (now - this.#begunMs) / burstsPerDuration);
    this.#note(own, (clock) => burstOf(trips[clock]));
  }

  #trip({ sent, reply, arrived }: ClockRound, clock: ReadableClock, own: ReadableClock): RoundTrip {
    this.#epochs ??= {
      guest: BigInt(reply.read[own]),
      host: { mono_raw: sent.at("mono_raw"), mono: sent.at("mono"), boot: sent.at("boot") },
    };
    const { guest, host } = this.#epochs;
    return {
      hostSent: Number(sent.at(clock) - host[clock]),
      guestRead: Number(BigInt(reply.read[own]) - guest),
      guestSent: Number(BigInt(reply.sent[own]) - guest),
      hostRead: Number(arrived.at(clock) - host[clock]),
    };
  }

  #note(clock: ReadableClock, burst: (clock: ReadableClock) => Burst | undefined): void {
    const [epochs, own] = [this.#epochs, burst(clock)];
    if (epochs === undefined || own === undefined) return;
    const offsetOf = (ours: ReadableClock): { low: bigint; high: bigint } => {
      const { low, high } = burst(ours)?.offset ?? { low: 0, high: 0 };
      const between = epochs.host[ours] - epochs.guest;
      return { low: BigInt(Math.floor(low)) + between, high: BigInt(Math.ceil(high)) + between };
    };
    this.#keep({
      clock,
      at: BigInt(Math.round(own.at)) + epochs.guest,
      rounds: own.rounds,
      offsets: { mono_raw: offsetOf("mono_raw"), mono: offsetOf("mono"), boot: offsetOf("boot") },
    });
    // A clock stepped within the burst: the next one, which is made at once, tells by how much.
    const isUnclear = isEmpty(own.offset);
    if (isUnclear && !this.#wasUnclear) this.#nextMs = 0;
    this.#wasUnclear = isUnclear;
    const step = this.#steps.add(own);
    if (step !== undefined) log.warn(`${guestTitle(this.#session.guest)}: ${stepText(step)}`);
  }
}

function stepText({ by }: Step): string {
  const how = `${timeText(Math.abs(by))} ${by > 0 ? "further behind" : "further ahead of"} this machine's than before`;
  const why = by > 0 ? "it stood still, was set, or the guest booted" : "it was set, or this machine stood still";
  return `its clock stepped, and is ${how} (${why}); what came before and what comes after are placed apart`;
}

/** Of each CPU; none where the guest does not tell it, or what it tells cannot be read. */
function traceTimesIn(body: Uint8Array): bigint[] {
  try {
    const isWanted = (file: string): boolean => file.startsWith("per_cpu/");
    return readMetadata(body, "the guest", "io", isWanted).cpuStats.flatMap(({ text }) => parseTraceTime(text) ?? []);
  } catch (error) {
    if (error instanceof AgentError) return [];
    throw error;
  }
}
