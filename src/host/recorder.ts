/**
 * A recording, from the first hello to the finished file.
 *
 *     open all data ports, so that the guest never waits -> hello -> stop what still runs -> buffer size, clock -> metadata
 *     -> what lies in the ports is thrown away until they are silent -> events -> start -> data into the spool
 *     -> events back -> stop, and data up to the totals that the guest tells -> metadata again -> settings back -> trace.dat
 *
 * What must not be lost is in the spool at every moment. A guest that answers nothing is taken for one with the kernel's own
 * agent and recorded raw.
 */
import { randomBytes } from "node:crypto";
import { describeErrno } from "../../ffi/errno.ts";
import { closeFd } from "../../ffi/fd.ts";
import { makePipe, setPipeSize } from "../../ffi/pipe.ts";
import { AgentError, messageOf } from "../errors.ts";
import { limits } from "../limits.ts";
import { log } from "../log.ts";
import type { HelloReply, StopReply } from "../protocol/replies.ts";
import { DataStream } from "./data-stream.ts";
import { type GuestDirectory, requireDataPorts } from "./guest-directory.ts";
import { lockGuest } from "./guest-lock.ts";
import { GuestSettings, type Wanted } from "./guest-settings.ts";
import { ControlPort, openDataPort } from "./host-port.ts";
import { type RecordLimits, RecordingWatch } from "./recording-watch.ts";
import { noAgentError, Session } from "./session.ts";
import type { Spool, SpoolSession } from "./spool.ts";

/** Stopping and what is shown meanwhile, from the program around. */
export type RecordCalls = {
  /** The user wants to stop: once, or (abort) without waiting for the guest. */
  stopAsked: () => "no" | "stop" | "abort";
  show: (watch: RecordingWatch) => void;
};

export type Recorded = {
  hello: HelloReply | undefined;
  /** Why it ended, where that was not asked for. */
  trouble: string | undefined;
};

/** Fills the spool. What it opened is closed and what it set in the guest is put back, whatever happens. */
export async function record(guest: GuestDirectory, spool: Spool, wanted: Wanted, until: RecordLimits, calls: RecordCalls): Promise<Recorded> {
  const ports = requireDataPorts(guest, "record");
  const unlock = lockGuest(guest, "record");
  const cleanUp: (() => void)[] = [unlock];
  try {
    const pipe = makePipe();
    setPipeSize(pipe.write, limits.pipeMaxBytes);
    cleanUp.push(() => closeFd(pipe.read), () => closeFd(pipe.write));
    const streams = ports.data.map((port) => {
      const stream = new DataStream(port.cpu, openDataPort(port), port.transport === "socket" ? pipe : undefined);
      cleanUp.push(() => stream.close());
      return stream;
    });
    const control = new ControlPort(ports.control);
    cleanUp.push(() => control.close());
    const session = new Session(guest, control, streams);
    return await new Recorder(guest, session, spool, wanted, until, calls).run();
  } finally {
    for (const step of cleanUp.toReversed()) step();
  }
}

class Recorder {
  readonly #guest: GuestDirectory;
  readonly #session: Session;
  readonly #spool: Spool;
  readonly #wanted: Wanted;
  readonly #until: RecordLimits;
  readonly #calls: RecordCalls;
  readonly #settings: GuestSettings;
  #spooled: SpoolSession;
  #begun = false;

  constructor(guest: GuestDirectory, session: Session, spool: Spool, wanted: Wanted, until: RecordLimits, calls: RecordCalls) {
    this.#guest = guest;
    this.#session = session;
    this.#spool = spool;
    this.#wanted = wanted;
    this.#until = until;
    this.#calls = calls;
    this.#settings = new GuestSettings(session);
    this.#spooled = { guest: guest.guest, traceId: randomBytes(8).readBigUInt64LE() };
  }

  async run(): Promise<Recorded> {
    // Before anything is recorded one Ctrl-C is enough; later the first one asks for an orderly stop.
    this.#session.cancelled = () => this.#calls.stopAsked() === (this.#begun ? "abort" : "stop");
    const hello = await this.#session.hello();
    if (this.#calls.stopAsked() !== "no") throw new AgentError("unavailable", "stopped before the recording began");
    if (hello === undefined) return this.#recordRaw();
    this.#spooled.hello = hello;
    this.#sayWhatIsMissing(hello);
    try {
      if (hello.state === "running") {
        log.info("the guest's agent still runs for an earlier host: stopped");
        await this.#session.request("0", "stop");
      }
      await this.#settings.prepare(this.#wanted);
      const { body } = await this.#session.request("metadata", "metadata");
      this.#spool.writeMetadata("start", body);
      await this.#drainStale();
      await this.#settings.enableEvents(this.#wanted);
      const trouble = await this.#recordRunning();
      return { hello, trouble };
    } finally {
      await this.#settings.putBack();
    }
  }

  async #recordRunning(): Promise<string | undefined> {
    this.#beginSpooling();
    const { reply: start } = await this.#session.request("1", "start");
    this.#spooled.start = start;
    this.#spool.writeSession(this.#spooled);
    const watch = new RecordingWatch(this.#session, start, this.#until);
    let trouble: string | undefined;
    const stopAsked = (): boolean => this.#calls.stopAsked() !== "no";
    while (watch.ended === undefined && !stopAsked()) {
      await this.#session.pump.turns(limits.pumpWaitMs, stopAsked);
      watch.look();
      this.#calls.show(watch);
    }
    trouble = watch.ended?.trouble;
    if (watch.ended?.guestLost === true) {
      this.#settings.forget();
      this.#spool.writeEnd({ reason: trouble ?? "" });
      return trouble;
    }
    await this.#settings.putEventsBack();
    const stop = await this.#stop();
    trouble ??= typeof stop === "string" ? stop : undefined;
    this.#writeEnd(typeof stop === "string" ? undefined : stop, trouble);
    await this.#finalMetadata();
    return trouble;
  }

  /** The stop reply, when all that it tells has come; else what went wrong. */
  async #stop(): Promise<StopReply | string> {
    const { pump } = this.#session;
    if (pump.full !== undefined) {
      // What the guest still sends has no place; the order is given so that it does not go on for nobody.
      this.#session.send("0");
      return `the spool takes no more: ${describeErrno(pump.full.failure)}`;
    }
    try {
      const { reply } = await this.#session.request("0", "stop");
      await this.#receiveRest(reply);
      return reply;
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      return error.message;
    }
  }

  /** Up to the totals, and until the ports are silent: stale bytes that came in front make a total look reached too soon. */
  async #receiveRest(stop: StopReply): Promise<void> {
    const { pump } = this.#session;
    const begun = performance.now();
    const missing = (): boolean =>
      pump.streams.some((stream) => {
        const to = stop.streams.find(({ cpu }) => cpu === stream.cpu)?.bytes ?? 0;
        const from = this.#spooled.start?.streams.find(({ cpu }) => cpu === stream.cpu)?.bytes ?? 0;
        return !stream.gone && stream.received < to - from;
      });
    for (;;) {
      const silentMs = performance.now() - Math.max(begun, pump.lastByteMs);
      if (pump.full !== undefined || this.#session.cancelled()) return;
      if (!missing() && performance.now() - begun > limits.drainMostMs) return;
      if (silentMs >= (missing() ? limits.replySilenceMs : limits.silenceMs)) return;
      await pump.turns(Math.min(limits.silenceMs / 4, Math.max(1, limits.silenceMs - silentMs)));
    }
  }

  async #finalMetadata(): Promise<void> {
    if (this.#session.pump.full !== undefined || this.#session.cancelled()) return;
    try {
      const { body } = await this.#session.request("metadata", "metadata");
      this.#spool.writeMetadata("end", body);
    } catch (error) {
      log.warn(`task names and counters are those of the start: ${messageOf(error)}`);
    }
  }

  /** The kernel's own agent, or none: no answers, so the end is where the ports fall silent. */
  async #recordRaw(): Promise<Recorded> {
    const { pump } = this.#session;
    if (this.#wanted.events.length > 0 || this.#wanted.bufferKb !== undefined || this.#wanted.clock !== undefined) throw noAgentError(this.#guest);
    if (pump.controlGone) throw noAgentError(this.#guest);
    log.warn(`guest "${this.#guest.guest}" does not answer: recording what comes, as from the kernel's own agent`);
    this.#session.send("0");
    await this.#drainStale();
    this.#beginSpooling();
    this.#session.send("1");
    const watch = new RecordingWatch(this.#session, undefined, this.#until);
    while (watch.ended === undefined && this.#calls.stopAsked() === "no") {
      await pump.turns(limits.pumpWaitMs);
      watch.look();
      this.#calls.show(watch);
    }
    if (!pump.controlGone) this.#session.send("0");
    const begun = performance.now();
    while (performance.now() - Math.max(begun, pump.lastByteMs) < limits.rawSilenceMs && pump.full === undefined) {
      if (performance.now() - begun > limits.drainMostMs || this.#session.cancelled()) break;
      await pump.turns(limits.silenceMs);
    }
    this.#writeEnd(undefined, watch.ended?.trouble);
    if (pump.received === 0) throw noAgentError(this.#guest);
    const full = pump.full === undefined ? undefined : `the spool takes no more: ${describeErrno(pump.full.failure)}`;
    return { hello: undefined, trouble: full ?? watch.ended?.trouble };
  }

  async #drainStale(): Promise<void> {
    const { pump } = this.#session;
    const begun = performance.now();
    while (performance.now() - Math.max(begun, pump.lastByteMs) < limits.silenceMs) {
      if (performance.now() - begun > limits.drainMostMs) break;
      await pump.turns(limits.silenceMs / 4);
    }
    const stale = pump.streams.reduce((sum, { discarded }) => sum + discarded, 0);
    if (stale > 0) log.info(`${stale} bytes of an earlier session lay in the ports: passed over`);
  }

  #beginSpooling(): void {
    if (this.#calls.stopAsked() !== "no") throw new AgentError("unavailable", "stopped before the recording began");
    this.#begun = true;
    for (const stream of this.#session.pump.streams) stream.spoolTo(this.#spool.streamPath(stream.cpu));
    this.#spool.writeSession(this.#spooled);
  }

  /** A full disk must not hide what was received. */
  #writeEnd(stop: StopReply | undefined, reason: string | undefined): void {
    try {
      this.#spool.writeEnd({ stop, reason: reason ?? "" });
    } catch (error) {
      log.warn(messageOf(error));
    }
  }

  #sayWhatIsMissing(hello: HelloReply): void {
    const ours = new Set(this.#session.pump.streams.map(({ cpu }) => cpu));
    const unserved = hello.cpus.filter(({ cpu, port, state }) => state !== "parked" && (port !== "open" || !ours.has(cpu)));
    if (unserved.length > 0) log.warn(`CPUs without a data port are not recorded: ${unserved.map(({ cpu }) => cpu).join(", ")}`);
  }
}
