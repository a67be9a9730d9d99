/** The bounds of merging and of ordering live events: each with its unit and its reason. */
import { assert } from "../base/errors.ts";

const KiB = 1024;
const MiB = 1024 * KiB;

export const timelineLimits = {
  /** Read from a recording at a time per CPU, and of all CPUs together: with many it is less, but a sub-buffer each. */
  recordingReadBytes: 128 * KiB,
  recordingBlocksBytes: 32 * MiB,
  /** A sub-buffer of this size may be held of each CPU of any number; of larger ones so many bytes in all. */
  heldSubBufferBytes: 256 * KiB,
  heldSubBuffersBytes: 96 * MiB,
  /** Empty ones in a row, of one CPU, after which its events are taken to have ended. */
  emptySubBuffersMax: 4_096,
  /**
   * A line is held until no CPU can bring an earlier one: for as long as the agent lets an event wait, as it tells, and so
   * much longer.
   */
  liveHoldMoreMs: 30,
  /** So long in all where it does not tell: an event waits for 420 ms in agents that know no latency_ms. */
  liveHoldUntoldMs: 430,
  /** Held so long instead, from when it came, as long as the clock of the guest is not known well or counts no ns. */
  liveArrivalHoldMs: 40,
  /** Deliveries from which the guest's clock is known well enough. */
  liveClockSamples: 16,
  /** How often the guest's clock is measured again: clocks drift apart. */
  liveClockWindowMs: 10_000,
  /** More than that is not held back to be put in order. */
  liveHeldBytes: 16 * MiB,
  /** Bytes received after which memory that is not needed any more is collected: 5 to 20 ms, at most once a second at full speed. */
  liveCollectAfterBytes: 16 * MiB,
  /** How often received data is checked. */
  liveTurnMs: 20,
  /** How long events are passed on before signals and ports are handled, and events between two checks of the time. */
  liveSliceMs: 50,
  liveSliceEvents: 64,
  /** Read from a port at a time. */
  liveReadBytes: 256 * KiB,
  /**
   * A window of a guest's events from which the offset of its clock is found: no shorter, so that windows are few, and long
   * enough for as many events; no longer, since clocks drift apart; no more events, which are held.
   */
  syncWindowNs: 1_000_000_000,
  syncWindowEvents: 500,
  syncWindowMaxNs: 10_000_000_000,
  syncWindowMaxEvents: 250_000,
  /** Fewer events fit by chance. */
  syncLeastEvents: 50,
  /** Events of a window that vote for all offsets of the range; all of them vote for those near the best. */
  syncVotes: 8_000,
  /** Slices in reach of those events, together: 32 MiB. */
  syncIntervalsMax: 1_000_000,
  /** Offsets further apart than this are two answers, not one with a width. */
  syncApartNs: 30_000,
  /** A vote is accepted where so many events fit, and no offset further away fits so many. Measured: 100 % and 61 %. */
  syncInsideLeast: 0.99,
  syncRunnerUpMost: 0.8,
  /** Or where so many events fit no offset further away, and so many times those that do not fit the best one. Measured: 10 to 45, and 0. */
  syncMisfitsLeast: 12,
  syncMisfitsTimes: 3,
  /** And where it leaves no more than this of the range that was known before. */
  syncNarrowerLeast: 0.5,
  /** Clocks of two machines drift apart by no more; those that NTP slews by 500. */
  syncDriftPpm: 500,
  /** Drifts between clocks that nothing slews are no further apart at any two times. Measured: 1. */
  syncWanderPpm: 50,
  /**
   * Drifts that are tried for a window: two differ by so much over its length, which is below the width of an answer; of a window
   * of a second from -128 to 128 ppm.
   */
  syncDriftStepNs: 4_000,
  syncDriftSteps: 32,
  /** Events that vote for each of them; and the share of them by which a drift must fit more to be better whatever room it leaves. */
  syncDriftVotes: 1_000,
  syncDriftApart: 0.002,
  /** Where nothing fits in so many windows, the search is made in one of so many: it costs 75 sweeps. */
  syncDriftTries: 16,
  syncDriftTriesEvery: 4,
  /**
   * Blocks in which an offset is followed: no shorter, so that a few events vote; no longer than a drift changes by some us in; and
   * ended between by so many events.
   */
  syncBlockNs: 10_000_000,
  syncBlockMaxNs: 50_000_000,
  syncBlockEvents: 16,
  /** A block in which a larger share of the events fits no offset tells nothing. */
  syncBlockStrays: 0.1,
  /** An offset that is known so well is followed without a vote. */
  syncFollowNs: 60_000,
  /** A window is followed again, so many times at most, with the drifts that it leaves where these are this share or less. */
  syncFollowAgain: 4,
  syncRatesLess: 0.8,
  /** Drifts are known when no more is unsure than what they change by, so many times. */
  syncRatesKnown: 1.3,
  /** Windows that wait until one is clear and the drifts are known; then they are followed once more. */
  syncHeldWindows: 16,
  /** Windows that one line goes through at most: a minute at least. */
  syncLineWindows: 64,
  /** By what share such a line may make a window's bound larger. */
  syncLineMisfit: 0.25,
  /** Guests that are placed in one pass over their host's recording: each holds up to 4 MiB. */
  syncGuestsAtOnce: 16,
  /** Threads of vCPUs that a host's recording names; tasks that are asked for their name once only; ways to tell a guest's from others'. */
  syncThreadsMax: 65_536,
  syncTasksSeen: 1_000_000,
  syncCandidatesMax: 32,
  /** What is kept of a window: so many ranges of offsets. */
  syncStretchParts: 16,
  /** Two samples of a file lie no further apart: trace-cmd's arithmetic overflows. */
  syncSampleMaxNs: 100_000_000_000,
  /**
   * A search over all that the host recorded: events of a guest that are laid over it, slices of vCPUs that are held (32 MiB), and
   * offsets that are told apart, no finer than this. Together half a second's work and 64 MiB at most.
   */
  searchEvents: 400,
  /** Between two of them: together in a second or two, in which clocks drift apart by less than is told apart. */
  searchApartEventsNs: 4_000_000,
  searchSlices: 1_000_000,
  searchBins: 8_000_000,
  searchBinNs: 20_000,
  /** The first search finds the place to this; so far away another is another answer. */
  searchApartNs: 1_000_000,
  searchInsideLeast: 0.97,
  /** So far a recording's own offset may be off, and more where it says so: what others write has no bound. */
  syncKnownNs: 1_000_000,
  /**
   * A clock that was set forward leaves out this share of what it was set by, at least: bursts do not tell exactly. And so much may a
   * stream be from the times between which its clock was set back.
   */
  stepGapShare: 0.9,
  stepSlackNs: 1_000_000_000,
  /** Jumps of a clock that are told one by one, and parts of a recording whose bounds are. */
  syncStepsTold: 64,
  syncPartsTold: 64,
  /** Between what happens and its time stamp, on both sides together: a switch is stamped before the guest stops. */
  syncStampNs: 1_000,
  /** A filter of events, in chars; its words and signs; parentheses in each other. A person's has some 100, 20 and 2. */
  filterChars: 4_096,
  filterTokens: 512,
  filterDepth: 32,
  /** Filters of one report. */
  filtersMax: 64,
  /** Up to so many events that a filter names it is compiled for at once, and says what is wrong; for more as they come. */
  filterEventsChecked: 64,
  /** A regular expression, its repetitions, and how much of a text it is compared with: each repetition costs a turn over that. */
  filterPatternChars: 256,
  filterRepetitions: 4,
  filterTextBytes: 1_024,
} as const;

assert(timelineLimits.liveTurnMs < timelineLimits.liveHoldMoreMs, "what came is looked at within the time it is held");
