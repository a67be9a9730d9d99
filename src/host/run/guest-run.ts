/**
 * One run of a guest, whatever its data is used for. This file alone defines the order of the steps:
 *
 *     hello -> stop what an earlier host left running -> its list of events -> latency, buffer size, clock -> metadata -> drop
 *     leftovers until the ports are silent -> the sink begins -> events -> clocks -> counters -> start -> data into the sink, and
 *     clocks again and again -> restore events -> stop, and data up to the totals that the guest announces -> counters -> clocks
 *     -> (a spool: metadata again) -> restore settings
 *
 * A guest that does not answer is treated as the kernel's own agent, by sinks that need no replies.
 *
 * A run waits only in the port loop, so any number of runs proceed side by side. Settings in the guest are restored
 * whatever happens.
 */
import { AgentError, messageOf } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import type { HelloReply, StartReply, StatusReply } from "../../protocol/replies.ts";
import type { SpoolEnd } from "../../trace-dat/spool/spool-fields.ts";
import type { EventChoice } from "../../tracefs/event-choice.ts";
import { guestTitle, theGuest } from "../guest-directory.ts";
import { hostLimits } from "../limits.ts";
import type { DataPortReader } from "./data-port-reader.ts";
import { ClockWatch } from "./clock-watch.ts";
import { boundRest, drainStale, receiveRest, receiveUntilSilent } from "./drain.ts";
import { chooseGuestEvents, enabledWords, knownGuestEvents, listGuestEvents } from "./guest-events.ts";
import { GuestMetadata } from "./guest-metadata.ts";
import { GuestSettings, type Latency } from "./guest-settings.ts";
import { type RecordLimits, RecordingWatch } from "./recording-watch.ts";
import { noAgentError } from "./no-agent.ts";
import type { RunSink } from "./run-sink.ts";
import { sendQuietly, type Session, startGuest, stopEarlierRun } from "./session.ts";
import type { StopAsked } from "./stop-signals.ts";
import { type TraceConfig, wantsSettings } from "./trace-config.ts";

export type RunOptions = {
  wanted: TraceConfig;
  until: RecordLimits;
  /** Of what the guest still has at its stop; undefined: `until.bytes`. */
  restBytes?: number | undefined;
  /** How long an event may wait in the guest; undefined: the agent's default. */
  latency: Latency | undefined;
  /** How long to wait for the first hello's answer. */
  waitMs: number | undefined;
  /** Whether the user wants to stop: once, or (abort) without waiting for the guest. */
  stopAsked: () => StopAsked;
  /** False while other machines of the same recording are not ready; this one is, from the first call on. */
  mayStart?: () => boolean;
  /** All that will start are ready. Throws why this one is not to start. */
  beforeStart?: () => void;
  /** Takes work that is left when the guest has ended: at once, or when other guests are not kept waiting by it. */
  whenEnded?: (work: () => Promise<void>) => Promise<void>;
};

export class GuestRun {
  readonly #session: Session;
  readonly #options: RunOptions;
  readonly #sink: RunSink;
  readonly #settings: GuestSettings;
  readonly #metadata: GuestMetadata;
  #ringBufferKb: string | undefined;
  #clocks: ClockWatch | undefined;

  constructor(session: Session, options: RunOptions, sink: RunSink) {
    this.#session = session;
    this.#options = options;
    this.#sink = sink;
    this.#settings = new GuestSettings(session);
    this.#metadata = new GuestMetadata(session, sink.symbols);
  }

  /** Returns why it ended, if not by request. Throws if it could not begin. */
  async run(): Promise<string | undefined> {
    const { stopAsked, wanted, waitMs, latency } = this.#options;
    const session = this.#session;
    session.stopAsked = stopAsked;
    session.onWait = (waiting) => this.#sink.waiting(waiting, undefined);
    const hello = await session.hello(waitMs);
    this.#requireNoStop();
    if (hello === undefined) return this.#runUnanswered();
    try {
      await stopEarlierRun(session, hello);
      const stoppedMs = performance.now();
      this.#settings.require(wanted);
      const known = wanted.events.length > 0 ? await listGuestEvents(session) : undefined;
      // A name that is none is told before anything is set, and before all else is collected.
      let choice = known === undefined ? undefined : chooseGuestEvents(session, wanted.events, known, wanted.missing);
      const latencyMs = await this.#settings.chooseLatency(latency);
      await this.#settings.prepare(wanted);
      this.#requireNoStop();
      const { body, ringBufferKb } = await this.#metadata.take(hello, choice?.enabled ?? enabledWords(wanted.events));
      this.#ringBufferKb = ringBufferKb;
      await drainStale(session, stoppedMs);
      this.#requireNoStop();
      this.#sink.begin({ hello, body, latencyMs });
      this.#clocks = ClockWatch.of(session, this.#settings.clock ?? hello.clock, this.#sink.burst);
      const trip = this.#metadata.takeCountersTrip();
      this.#clocks?.takeCounters(trip);
      // Without words nothing is looked for in all that was told.
      const told = wanted.events.length === 0 ? undefined : knownGuestEvents(body);
      choice ??= chooseGuestEvents(session, wanted.events, told, wanted.missing);
      await this.#settings.enable(wanted, choice);
      session.guest.self?.begin();
      return await this.#runAnswered(hello, choice);
    } finally {
      await this.#settings.restore();
      const keep = (): Promise<void> => this.#metadata.keep();
      await (this.#options.whenEnded?.(keep) ?? keep());
    }
  }

  async #runAnswered(hello: HelloReply, choice: EventChoice): Promise<string | undefined> {
    const session = this.#session;
    await this.#waitForOthers();
    await this.#clocks?.take(() => this.#options.stopAsked() !== "no");
    const { reply: before } = await session.request({ order: "status" }, "status");
    this.#requireNoStop();
    session.acknowledge(before);
    const start = await startGuest(session);
    try {
      this.#sink.started({ hello, before, start });
      await this.#settings.started(choice);
      const watch = await this.#watch(before, start);
      if (watch.ended?.guestLost === true) return await this.#endWithoutGuest(watch);
      if (!session.cancelled) await this.#settings.putEventsBack();
      const end = await this.#stop(start, watch);
      const trouble = watch.ended?.trouble ?? (end.reason === "" ? undefined : end.reason);
      this.#sink.ended({ ...end, reason: trouble ?? "" });
      if (end.after !== undefined) await this.#clocks?.take();
      await this.#finalMetadata();
      return trouble;
    } catch (error) {
      // A failed sink must not leave the guest's agent running.
      sendQuietly(session, { order: "stop" });
      throw error;
    }
  }

  /** Runs until it ends by itself or by request. */
  async #watch(before: StatusReply | undefined, start: StartReply | undefined): Promise<RecordingWatch> {
    const session = this.#session;
    const { pump } = session;
    const watch = new RecordingWatch(session, before, start, this.#options.until);
    session.onWait = (waiting) => this.#sink.waiting(waiting, watch);
    const stopAsked = (): boolean => this.#options.stopAsked() !== "no";
    // Also while answers are waited for.
    if (this.#sink.wantsCounters !== undefined) pump.isFull = () => this.#sink.full();
    while (watch.ended === undefined && !stopAsked()) {
      session.guest.self?.refresh();
      const turnMs = this.#sink.turn(watch);
      const held = this.#sink.full();
      pump.hold(held);
      await pump.turns(turnMs, () => stopAsked() || this.#sink.full() !== held, this.#sink.patient);
      watch.poll();
      if (watch.ended === undefined) await this.#clocks?.takeIfDue(stopAsked);
      if (watch.ended === undefined && this.#sink.wantsCounters?.() === true) await this.#takeCounters(watch);
    }
    pump.isFull = undefined;
    pump.hold(false);
    this.#sink.stopping();
    return watch;
  }

  /** In the middle of the run. An agent that knows no sections would send all of its metadata: then names stay as they were. */
  async #takeCounters(watch: RecordingWatch): Promise<void> {
    try {
      watch.asks();
      const counters = await this.#metadata.takeCounters();
      await this.#clocks?.take(() => this.#options.stopAsked() !== "no", hostLimits.cutRounds);
      this.#sink.counters?.(counters);
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      // It may answer again before the end.
      this.#session.unresponsive = false;
      this.#sink.counters?.(undefined);
    }
  }

  /** The agent that was started is gone: nothing to stop, nothing to restore. */
  async #endWithoutGuest(watch: RecordingWatch): Promise<string | undefined> {
    this.#settings.forget();
    // An agent that ended the session itself still sends what it has.
    if (this.#session.ended !== undefined) await receiveUntilSilent(this.#session, hostLimits.rawSilenceMs);
    const trouble = watch.ended?.trouble;
    this.#sink.ended({ reason: trouble ?? "" });
    return trouble;
  }

  /**
   * Returns the stop reply and the counters after it when everything announced has arrived; otherwise what went
   * wrong.
   */
  async #stop(start: StartReply, watch: RecordingWatch): Promise<SpoolEnd> {
    const session = this.#session;
    const { pump } = session;
    if (pump.full !== undefined || session.cancelled) {
      // Further data has no place or is not waited for; the order still stops the agent.
      sendQuietly(session, { order: "stop" });
      return { reason: pump.fullReason ?? `${this.#who} was not waited for when it was to stop` };
    }
    const bounds = boundRest(pump.readers, this.#ringBufferKb, this.#restBytes);
    try {
      const { reply: told } = await session.request({ order: "stop" }, "stop", bounds.limits);
      const { stop, wrong } = await receiveRest(session, pump.readers, {
        from: start.streams,
        stop: told,
        bounds,
        turn: () => this.#sink.turn(watch),
      });
      pump.acknowledgeRest();
      if (wrong !== undefined || pump.full !== undefined || session.cancelled)
        return { stop, reason: wrong ?? pump.fullReason ?? `the rest of the data of ${this.#who} was not waited for` };
      const { reply } = await session.request({ order: "status" }, "status");
      const after = this.#settings.asFound(reply);
      return { stop, after, beyondSize: bounds.bySize ? beyondSizeOf(pump.readers) : undefined, reason: "" };
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      return { reason: pump.fullReason ?? error.message };
    }
  }

  async #finalMetadata(): Promise<void> {
    const session = this.#session;
    const take = this.#sink.finalMetadata;
    if (take === undefined || session.pump.full !== undefined || session.cancelled || session.unresponsive) return;
    try {
      take(await this.#metadata.takeFinal());
      const trip = this.#metadata.takeCountersTrip();
      this.#clocks?.takeCounters(trip);
    } catch (error) {
      log.warn(`task names and counters are those of the start: ${messageOf(error)}`);
    }
  }

  /** The kernel's own agent, or none: no replies, so the run ends when the ports are silent. */
  async #runUnanswered(): Promise<string | undefined> {
    const { wanted, latency } = this.#options;
    const session = this.#session;
    const { pump } = session;
    const settings = wantsSettings(wanted) || latency?.required === true;
    if (!this.#sink.takesRaw || settings || pump.controlGone) throw noAgentError(session.guest);
    log.warn(`${guestTitle(session.guest)} does not answer: recording what comes, as from the kernel's own agent`);
    sendQuietly(session, { order: "stop" });
    await drainStale(session);
    this.#requireNoStop();
    await this.#waitForOthers();
    this.#sink.begin(undefined);
    session.untouched = false;
    session.send({ order: "start" });
    const watch = await this.#watch(undefined, undefined);
    boundRest(pump.readers, "X", this.#restBytes);
    if (!pump.controlGone) sendQuietly(session, { order: "stop" });
    await receiveUntilSilent(session, hostLimits.rawSilenceMs);
    const trouble = pump.fullReason ?? watch.ended?.trouble;
    this.#sink.ended({ reason: trouble ?? "" });
    if (pump.received === 0) throw noAgentError(session.guest);
    return trouble;
  }

  /** The ports are served meanwhile, and the lease is renewed. */
  async #waitForOthers(): Promise<void> {
    const { mayStart, stopAsked } = this.#options;
    if (mayStart === undefined) return;
    const session = this.#session;
    const ready = (): boolean => mayStart() || stopAsked() !== "no" || session.pump.controlGone;
    const sinceMs = performance.now();
    while (!ready()) {
      await session.pump.turns(hostLimits.statusEveryMs, ready);
      if (ready()) break;
      session.onWait({ what: "waiting for the other machines", sinceMs, word: undefined });
      if (session.answers) await session.request({ order: "status" }, "status");
    }
    this.#requireNoStop();
    this.#options.beforeStart?.();
  }

  get #who(): string {
    return theGuest(this.#session.guest);
  }

  get #restBytes(): number | undefined {
    return this.#options.restBytes ?? this.#options.until.bytes;
  }

  #requireNoStop(): void {
    if (this.#options.stopAsked() !== "no") throw new AgentError("unavailable", this.#sink.stoppedEarly);
  }
}

/** Bytes that came and were dropped, since the recording had the size that was wanted. */
function beyondSizeOf(readers: readonly DataPortReader[]): SpoolEnd["beyondSize"] {
  const dropped = readers.filter(({ surplus }) => surplus > 0);
  return dropped.length === 0 ? undefined : dropped.map(({ cpu, surplus }) => ({ cpu, bytes: surplus }));
}
