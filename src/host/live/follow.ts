/** A run of a guest whose events are shown as they arrive. */
import { AgentError } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import { counted } from "../../base/plural.ts";
import type { Metadata, TraceMetadata } from "../../events/trace-metadata.ts";
import { protocolLimits } from "../../protocol/limits.ts";
import type { HelloReply, StartReply, StatusReply } from "../../protocol/replies.ts";
import { layoutOf, parseHeaderPage } from "../../ring-buffer/sub-buffer.ts";
import { timelineLimits } from "../../timeline/limits.ts";
import { balanceOf, type CpuBalance, imbalanceRemedy, imbalances } from "../../trace-dat/spool/balance.ts";
import { readMetadata } from "../../trace-dat/spool/metadata-read.ts";
import type { SpoolEnd } from "../../trace-dat/spool/spool-fields.ts";
import { type GuestDirectory, guestTitle } from "../guest-directory.ts";
import { hostLimits } from "../limits.ts";
import { withGuest } from "../run/attach.ts";
import { GuestRun } from "../run/guest-run.ts";
import type { TraceConfig } from "../run/trace-config.ts";
import type { PortLoop } from "../run/port-loop.ts";
import type { RecordingWatch, RecordLimits } from "../run/recording-watch.ts";
import type { GuestFacts, RunSink } from "../run/run-sink.ts";
import type { Session, Waiting } from "../run/session.ts";
import type { StopAsked } from "../run/stop-signals.ts";
import { LivePortReader } from "./live-port-reader.ts";

export type LiveGuest = {
  hello: HelloReply;
  trace: TraceMetadata;
  cpus: readonly number[];
  /** How long an event may wait in the guest; undefined where its agent does not tell it. */
  latencyMs: number | undefined;
};

/** Shows live data. No call blocks or works for longer than a moment. */
export type LiveView = {
  /** Called before anything else. */
  begin: (guest: LiveGuest) => void;
  /** The guest runs; called before anything is pushed. `times`: each CPU's trace time at the start. What is older is not shown. */
  started: (times: ReadonlyMap<number, bigint>) => void;
  /** Receives whole sub-buffers; the sink owns them from then on. */
  push: (cpu: number, subBuffers: Uint8Array<ArrayBuffer>, nowMs: number) => void;
  /** Shows what is due. True when there is more. */
  turn: (nowMs: number, watch: RecordingWatch) => boolean;
  /** No more data will arrive: shows the rest. True when there is more. */
  finish: () => boolean;
  /** The sink has enough for now: the ports are not read. */
  full: () => boolean;
  /** The sink holds so much that data still arriving at a stop is dropped. */
  overfull: () => boolean;
  stopAsked: () => StopAsked;
  showWait: (waiting: Waiting) => void;
};

/** An fd that becomes ready when written data was taken, and the callback for it. */
export type LiveReader = { fd: number; serve: () => void } | undefined;

export type FollowOptions = {
  /** Shown to others who want to use the guest. */
  command: string;
  wanted: TraceConfig;
  until: RecordLimits;
  /** How long to wait for the first hello's answer. */
  waitMs: number | undefined;
  /** That this guest shares with others. */
  loop?: PortLoop;
  /** As those of a run. */
  mayStart?: () => boolean;
  beforeStart?: () => void;
};

export type Followed = {
  /** Why it ended, if not by request. */
  trouble: string | undefined;
  /** What became of each CPU's events; none where the guest was lost. */
  balances: CpuBalance[];
  /** What arrived and is not shown, in words. */
  unshown: string[];
};

/** Closes everything it opened and restores the guest's settings, whatever happens. */
export async function followGuest(guest: GuestDirectory, options: FollowOptions, view: LiveView): Promise<Followed> {
  const latency = { ms: protocolLimits.latencyMsLive, required: false };
  const makeReader = ({ cpu }: { cpu: number }, fd: number): LivePortReader => new LivePortReader(cpu, fd);
  return withGuest(
    guest,
    { action: "follow", command: options.command, loop: options.loop, makeReader },
    async ({ session, readers }) => {
      const sink = new LiveSink(session, readers, view);
      const trouble = await new GuestRun(session, { ...options, latency, stopAsked: view.stopAsked }, sink).run();
      sink.throwFailure();
      await finishView(session, view);
      return { trouble, balances: sink.balances, unshown: sink.unshown };
    },
  );
}

class LiveSink implements RunSink {
  readonly takesRaw = false;
  readonly patient = false;
  readonly stoppedEarly = "stopped before the first event";
  /** What became of each CPU's events; none where the guest was lost. */
  balances: CpuBalance[] = [];
  readonly #session: Session;
  readonly #readers: readonly LivePortReader[];
  readonly #view: LiveView;
  #run: { before: StatusReply; start: StartReply } | undefined;
  /** The guest told how much there is, and that was waited for: nothing comes after it. */
  #isOver = false;
  /** Why the view shows no more, where that was found during a wait. */
  #failure: { cause: unknown } | undefined;

  constructor(session: Session, readers: readonly LivePortReader[], view: LiveView) {
    this.#session = session;
    this.#readers = readers;
    this.#view = view;
  }

  begin(facts: GuestFacts | undefined): void {
    if (facts === undefined) return;
    const metadata = readMetadata(facts.body, guestTitle(this.#session.guest), "io");
    const live = describeGuest(facts, metadata, this.#readers);
    this.#view.begin(live);
    for (const reader of this.#readers) reader.begin(live.trace.layout, this.#view);
    // Until the start reply tells which events are of before.
    this.#session.pump.hold(true);
  }

  started(run: { before: StatusReply; start: StartReply }): void {
    this.#run = run;
    const times = run.start.streams.flatMap(({ cpu, time }) =>
      time === undefined ? [] : [[cpu, BigInt(time)] as const],
    );
    this.#view.started(new Map(times));
    if (times.length === 0)
      log.info("the guest's agent does not tell when it began: what its ring buffer held before is shown, too");
  }

  turn(watch: RecordingWatch): number {
    this.throwFailure();
    return this.#view.turn(performance.now(), watch) ? 0 : timelineLimits.liveTurnMs;
  }

  full(): boolean {
    return this.#view.full();
  }

  stopping(): void {
    for (const reader of this.#readers) reader.end();
  }

  ended({ stop, after }: SpoolEnd): void {
    this.#isOver = stop !== undefined;
    if (this.#run === undefined || stop === undefined || after === undefined) return;
    const received = this.#readers.map(({ cpu, received: bytes, surplus, tally: { events, damaged } }) => ({
      cpu,
      bytes: bytes + surplus,
      events,
      damaged: damaged > 0 || surplus > 0,
    }));
    this.balances = balanceOf({ ...this.#run, stop, after }, received);
  }

  get unshown(): string[] {
    return this.#readers.flatMap(({ cpu, surplus, restBytes, tally: { damaged } }) => [
      ...(damaged === 0 ? [] : [`CPU ${cpu}: ${counted(damaged, "sub-buffer")} could not be read to the end`]),
      // What came too fast cuts a sub-buffer too.
      ...(restBytes === 0 || surplus > 0 || !this.#isOver
        ? []
        : [`CPU ${cpu}: the stream ends with ${restBytes} bytes of a sub-buffer, not shown`]),
      ...(surplus === 0 ? [] : [`CPU ${cpu}: the last ${counted(surplus, "byte")} are not shown, they came too fast`]),
    ]);
  }

  /** What is waited for may be that the guest restores its settings: an output that takes no more must not end that. */
  waiting(waiting: Waiting, watch: RecordingWatch | undefined): void {
    if (this.#failure !== undefined) return;
    try {
      if (watch === undefined) this.#view.showWait(waiting);
      else this.turn(watch);
    } catch (cause) {
      this.#failure = { cause };
    }
  }

  throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.cause;
  }
}

/** A slow reader is waited for only up to a limit. */
async function finishView({ pump }: Session, view: LiveView): Promise<void> {
  pump.hold(true);
  const end = performance.now() + hostLimits.drainMostMs;
  while (view.finish() && view.stopAsked() !== "abort") {
    if (performance.now() > end)
      throw new AgentError("io", "the events that came last are not shown: they came faster than stdout takes them");
    await pump.turns(view.full() ? timelineLimits.liveTurnMs : 0, () => !view.full());
  }
}

/** Reports why it ended early and which events are missing. Throws in either case. */
export function tellEnd(what: string, { trouble, balances, unshown }: Followed): void {
  const missing = [...unshown, ...imbalances(balances)];
  if (trouble !== undefined) {
    for (const text of missing) log.warn(text);
    throw new AgentError("io", `${what} ended early: ${trouble}`);
  }
  if (missing.length > 0)
    throw new AgentError(
      "io",
      `${what} is incomplete: ${missing.join("; ")}`,
      imbalances(balances).length === 0 ? {} : { remedy: imbalanceRemedy(balances) },
    );
}

function describeGuest(
  { hello, latencyMs }: GuestFacts,
  metadata: Metadata,
  readers: readonly LivePortReader[],
): LiveGuest {
  const header = metadata.headerPage;
  const layout =
    (header === undefined ? undefined : parseHeaderPage(header)) ??
    layoutOf(hello.subBufferSize, hello.longSize === 4 ? 4 : 8);
  const ours = new Set(readers.map(({ cpu }) => cpu));
  const served = hello.cpus.filter(({ cpu, port, state }) => ours.has(cpu) && port === "open" && state !== "parked");
  const unserved = hello.cpus.filter(
    ({ cpu, port, state }) => state !== "parked" && (port !== "open" || !ours.has(cpu)),
  );
  if (unserved.length > 0)
    log.warn(`CPUs without a data port are not shown: ${unserved.map(({ cpu }) => cpu).join(", ")}`);
  return { hello, trace: { ...metadata, layout }, cpus: served.map(({ cpu }) => cpu), latencyMs };
}
