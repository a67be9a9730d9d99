/** A run into a spool: what must not be lost is on disk at any moment. */
import { closeFd } from "../../../ffi/fd.ts";
import { makePipe, type Pipe, setPipeSize } from "../../../ffi/pipe.ts";
import { messageOf } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import type { StatusReply } from "../../protocol/replies.ts";
import type { ClockBurst } from "../../trace-dat/spool/clock-bursts.ts";
import type { Spool } from "../../trace-dat/spool/spool.ts";
import type { SpoolSession } from "../../trace-dat/spool/spool-fields.ts";
import { newTraceId } from "../../trace-dat/trace-id.ts";
import { transportLimits } from "../../transport/limits.ts";
import type { GuestDirectory } from "../guest-directory.ts";
import { hostLimits } from "../limits.ts";
import { type AttachOptions, withGuest } from "./attach.ts";
import { DataPortReader } from "./data-port-reader.ts";
import { GuestRun, type RunOptions } from "./guest-run.ts";
import type { PortLoop } from "./port-loop.ts";
import type { RecordingWatch } from "./recording-watch.ts";
import type { RunObserver } from "./run-observer.ts";
import type { RunSink } from "./run-sink.ts";
import type { Session, Waiting } from "./session.ts";
import { SpooledSymbols } from "./spooled-symbols.ts";

export type RecorderOptions = RunOptions & {
  spool: Spool;
  /** Tells the recording from others; one is made up where none is given. */
  traceId?: bigint;
  /** Keep what the ring buffer held before the start. */
  past: boolean;
  show: (watch: RecordingWatch) => void;
  showWait: (waiting: Waiting) => void;
  /** Called when the guest records. */
  started?: () => void;
  /** Whether an agent that does not answer is recorded as it comes; it is, where nothing else is said. */
  takesRaw?: boolean;
  /** Whether the spool keeps what round trips tell of the guest's clock. */
  clocks?: boolean;
  /** Finds the tasks of this machine that run the guest's CPUs, of which there are so many. */
  vcpus?: (cpus: number) => readonly number[];
  /** The loop that this guest shares with others. */
  loop?: PortLoop;
  /** Cuts the recording while it goes on; then an agent that does not answer is not recorded. */
  observer?: RunObserver;
};

/** Fills the spool; returns why the run ended, if not by request. Closes everything it opened, whatever happens. */
export async function record(guest: GuestDirectory, options: RecorderOptions): Promise<string | undefined> {
  let pipe: Pipe | undefined;
  const makeReader: AttachOptions<DataPortReader>["makeReader"] = ({ cpu, end }, fd, onClose) => {
    if (!end.splicesToFile) pipe ??= makeSharedPipe(onClose);
    return new DataPortReader(cpu, fd, pipe);
  };
  const symbols = new SpooledSymbols(options.spool);
  try {
    const attach = { action: "record", command: "record", loop: options.loop, makeReader } as const;
    return await withGuest(guest, attach, ({ session }) =>
      new GuestRun(session, options, spoolSink(session, options, symbols)).run(),
    );
  } finally {
    symbols.abandon();
  }
}

function makeSharedPipe(onClose: (step: () => void) => void): Pipe {
  const pipe = makePipe();
  onClose(() => {
    closeFd(pipe.read);
    closeFd(pipe.write);
  });
  setPipeSize(pipe.write, transportLimits.pipeMaxBytes);
  return pipe;
}

/** An empty recording is not explained by a filter that keeps only ourselves out. */
function withoutOwn<Reply extends StatusReply | undefined>({ guest }: Session, reply: Reply): Reply {
  if (reply?.found === undefined || guest.self === undefined) return reply;
  return { ...reply, found: guest.self.without(reply.found) };
}

function spoolSink(session: Session, options: RecorderOptions, symbols: SpooledSymbols): RunSink {
  const { spool, past, show, showWait, observer } = options;
  const traceId = options.traceId ?? newTraceId();
  const spooled: SpoolSession = { guest: session.guest.guest, traceId, past };
  return {
    takesRaw: observer === undefined && (options.takesRaw ?? true),
    patient: true,
    symbols,
    stoppedEarly: "stopped before the recording began",
    begin: (facts) => {
      if (facts !== undefined) {
        spooled.hello = facts.hello;
        symbols.finish(facts.body);
      }
      const { readers } = session.pump;
      // Of a guest that tells nothing the ports say how many CPUs it may have.
      if (facts === undefined) spooled.vcpus = options.vcpus?.(1 + Math.max(...readers.map(({ cpu }) => cpu)));
      spooled.pieceBytes = facts === undefined ? undefined : observer?.begin(facts, readers);
      for (const reader of readers) spoolTo(spool, reader, spooled.pieceBytes, observer);
      spool.writeSession(spooled);
      if (facts === undefined) options.started?.();
    },
    started: ({ hello, before, start }) => {
      spooled.before = withoutOwn(session, before);
      spooled.start = start;
      spooled.vcpus = options.vcpus?.(hello.cpus.length);
      spool.writeSession(spooled);
      observer?.started({ hello, before, start, vcpus: spooled.vcpus });
      options.started?.();
    },
    turn: (watch) => {
      show(watch);
      return hostLimits.pumpWaitMs;
    },
    full: () => observer?.isFull() ?? false,
    ...(observer === undefined
      ? {}
      : { wantsCounters: () => observer.wantsCounters(), counters: (told) => observer.counters(told) }),
    stopping: () => {},
    ended: (end) => {
      const told = { ...end, after: withoutOwn(session, end.after) };
      observer?.ended(told);
      try {
        spool.writeEnd(told);
      } catch (error) {
        // A full disk must not hide what was received.
        log.warn(messageOf(error));
      }
    },
    finalMetadata: (body) => {
      observer?.finalMetadata(body);
      spool.writeMetadata("end", body);
    },
    ...(options.clocks === true
      ? {
          burst: (burst: ClockBurst) => {
            observer?.burst(burst);
            keepBurst(spool, burst);
          },
        }
      : {}),
    waiting: showWait,
  };
}

function spoolTo(
  spool: Spool,
  reader: DataPortReader,
  pieceBytes: number | undefined,
  observer: RunObserver | undefined,
): void {
  const { cpu } = reader;
  if (pieceBytes === undefined) return reader.spoolTo(spool.createStream(cpu));
  reader.spoolInPieces(pieceBytes, (index) => {
    const fd = spool.createPiece(cpu, index);
    observer?.pieceBegins(cpu, index);
    return fd;
  });
}

/** A full disk ends the recording by what the streams find; clocks are no reason. */
function keepBurst(spool: Spool, burst: ClockBurst): void {
  try {
    spool.addBurst(burst);
  } catch (error) {
    log.debug(`cannot keep what the clocks showed: ${messageOf(error)}`);
  }
}
