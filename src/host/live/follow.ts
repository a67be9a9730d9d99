/**
 * Follows a guest's events while they come: as a recording (recorder.ts), but what comes is shown instead of kept.
 *
 *     open all data ports -> hello -> stop what still runs -> buffer size, clock -> metadata -> stale data are thrown away
 *     -> events -> start -> data into the sink -> events back -> stop, and data up to the totals -> settings back
 */
import { closeFd } from "../../../ffi/fd.ts";
import { AgentError } from "../../errors.ts";
import { layoutOf, parseHeaderPage } from "../../kernel/sub-buffer.ts";
import type { TraceMetadata } from "../../kernel/trace-source.ts";
import { limits } from "../../limits.ts";
import { log } from "../../log.ts";
import type { Metadata } from "../../protocol/metadata.ts";
import type { HelloReply, StopReply, StreamPosition } from "../../protocol/replies.ts";
import { traceMetadata } from "../../protocol/trace-metadata.ts";
import { type GuestDirectory, requireDataPorts } from "../guest-directory.ts";
import { lockGuest } from "../guest-lock.ts";
import { GuestSettings, type Wanted } from "../guest-settings.ts";
import { ControlPort, openDataPort } from "../host-port.ts";
import { readMetadata } from "../metadata-read.ts";
import { type RecordLimits, RecordingWatch } from "../recording-watch.ts";
import { noAgentError, Session } from "../session.ts";
import { LiveStream } from "./live-stream.ts";

export type LiveGuest = { hello: HelloReply; metadata: Metadata; trace: TraceMetadata; cpus: readonly number[] };

/** Where live data go. */
export type LiveSink = {
  /** Before anything else. */
  begin: (guest: LiveGuest) => void;
  /** Whole sub-buffers, the sink's own from now on. */
  push: (cpu: number, subBuffers: Uint8Array<ArrayBuffer>, nowMs: number) => void;
  /** To be shown now; called often. */
  turn: (nowMs: number, watch: RecordingWatch) => void;
  stopAsked: () => "no" | "stop" | "abort";
};

export type Followed = {
  /** Why it ended, where that was not asked for. */
  trouble: string | undefined;
  /** Bytes that a port refused after they were taken out of the ring buffer. */
  lostBytes: number;
};

/** What it opened is closed and what it set in the guest is put back, whatever happens. */
export async function followGuest(guest: GuestDirectory, wanted: Wanted, until: RecordLimits, sink: LiveSink): Promise<Followed> {
  const ports = requireDataPorts(guest, "follow");
  const cleanUp: (() => void)[] = [lockGuest(guest, "stream")];
  try {
    const streams = ports.data.map((port) => {
      const fd = openDataPort(port);
      try {
        const stream = new LiveStream(port.cpu, fd);
        cleanUp.push(() => stream.close());
        return stream;
      } catch (error) {
        closeFd(fd);
        throw error;
      }
    });
    const control = new ControlPort(ports.control);
    cleanUp.push(() => control.close());
    const session = new Session(guest, control, streams);
    return await new Follower(guest, session, streams, wanted, until, sink).run();
  } finally {
    for (const step of cleanUp.toReversed()) step();
  }
}

class Follower {
  readonly #guest: GuestDirectory;
  readonly #session: Session;
  readonly #streams: readonly LiveStream[];
  readonly #wanted: Wanted;
  readonly #until: RecordLimits;
  readonly #sink: LiveSink;
  readonly #settings: GuestSettings;

  constructor(guest: GuestDirectory, session: Session, streams: readonly LiveStream[], wanted: Wanted, until: RecordLimits, sink: LiveSink) {
    this.#guest = guest;
    this.#session = session;
    this.#streams = streams;
    this.#wanted = wanted;
    this.#until = until;
    this.#sink = sink;
    this.#settings = new GuestSettings(session);
  }

  async run(): Promise<Followed> {
    const hello = await this.#session.hello();
    if (this.#sink.stopAsked() !== "no") throw new AgentError("unavailable", "stopped before the first event");
    if (hello === undefined) throw noAgentError(this.#guest);
    try {
      if (hello.state === "running") {
        log.info("the guest's agent still runs for an earlier host: stopped");
        await this.#session.request("0", "stop");
      }
      await this.#settings.prepare(this.#wanted);
      const { body } = await this.#session.request("metadata", "metadata");
      const live = describeGuest(hello, readMetadata(body, `guest "${this.#guest.guest}"`), this.#streams);
      await this.#drainStale();
      this.#sink.begin(live);
      for (const stream of this.#streams) {
        stream.begin(live.trace.layout.sizeBytes, (cpu, bytes) => this.#sink.push(cpu, bytes, performance.now()));
      }
      await this.#settings.enableEvents(this.#wanted);
      return await this.#follow();
    } finally {
      await this.#settings.putBack();
    }
  }

  async #follow(): Promise<Followed> {
    const { reply: before } = await this.#session.request("status", "status");
    const { reply: start } = await this.#session.request("1", "start");
    const watch = new RecordingWatch(this.#session, start, this.#until);
    try {
      while (watch.ended === undefined && this.#sink.stopAsked() === "no") {
        await this.#session.pump.turns(limits.liveTurnMs);
        watch.look();
        this.#sink.turn(performance.now(), watch);
      }
    } catch (error) {
      // What the sink could not do is no reason to leave the guest's agent running.
      this.#session.send("0");
      throw error;
    }
    const trouble = watch.ended?.trouble;
    if (watch.ended?.guestLost === true) {
      this.#settings.forget();
      return { trouble, lostBytes: 0 };
    }
    if (this.#sink.stopAsked() === "abort") this.#session.aborted = true;
    await this.#settings.putEventsBack();
    const { reply: stop } = await this.#session.request("0", "stop");
    await this.#receiveRest(stop, start.streams);
    const lost = (cpus: readonly { lostBytes: number }[]): number => cpus.reduce((sum, { lostBytes }) => sum + lostBytes, 0);
    return { trouble, lostBytes: lost(stop.streams) - lost(before.cpus) };
  }

  async #receiveRest(stop: StopReply, from: readonly StreamPosition[]): Promise<void> {
    const { pump } = this.#session;
    const begun = performance.now();
    const missing = (): boolean =>
      this.#streams.some(({ cpu, gone, received }) => !gone && received < positionOf(stop.streams, cpu) - positionOf(from, cpu));
    while (missing() && this.#sink.stopAsked() !== "abort" && !pump.controlGone) {
      if (performance.now() - Math.max(begun, pump.lastByteMs) >= limits.replySilenceMs) return;
      await pump.turns(limits.liveTurnMs);
    }
  }

  async #drainStale(): Promise<void> {
    const { pump } = this.#session;
    const begun = performance.now();
    while (performance.now() - Math.max(begun, pump.lastByteMs) < limits.silenceMs) await pump.turns(limits.silenceMs / 4);
  }
}

function positionOf(streams: readonly StreamPosition[], cpu: number): number {
  return streams.find((stream) => stream.cpu === cpu)?.bytes ?? 0;
}

function describeGuest(hello: HelloReply, metadata: Metadata, streams: readonly LiveStream[]): LiveGuest {
  const header = metadata.files["events/header_page"];
  const layout = (header === undefined ? undefined : parseHeaderPage(header)) ?? layoutOf(hello.subBufferSize, hello.longSize === 4 ? 4 : 8);
  const ours = new Set(streams.map(({ cpu }) => cpu));
  const served = hello.cpus.filter(({ cpu, port, state }) => ours.has(cpu) && port === "open" && state !== "parked");
  const unserved = hello.cpus.filter(({ cpu, port, state }) => state !== "parked" && (port !== "open" || !ours.has(cpu)));
  if (unserved.length > 0) log.warn(`CPUs without a data port are not shown: ${unserved.map(({ cpu }) => cpu).join(", ")}`);
  return { hello, metadata, trace: traceMetadata(metadata, layout, metadata.cpus), cpus: served.map(({ cpu }) => cpu) };
}
