/** The bounds of the agent in the guest: each with its unit and its reason. */
import { assert } from "../base/errors.ts";
import { protocolLimits } from "../protocol/limits.ts";

const KiB = 1024;
const MiB = 1024 * KiB;

export const guestLimits = {
  /**
   * Log lines at once, additional ones per CPU (its line of the summary), and lines per second after that: most log
   * lines of an agent are caused by its host. 4 lines a second are some 40 MB a day.
   */
  logLinesAtOnce: 500,
  logLinesPerCpu: 4,
  logLinesPerSecond: 4,
  /** Unknown orders of a session that are logged and answered; further ones are only counted. */
  malformedOrdersLogged: 20,
  /**
   * Orders that may wait for main. A host has no reason to send more at once: the set-up of a recording is some ten
   * orders, each answered before the next. With this many waiting, the port is not read.
   */
  ordersAtOnce: 64,
  /** Interval of progress replies while an order is worked on: a fifth of the silence after which the host gives up. */
  progressMs: 1_000,
  /** Enabled events whose filters are read: with more of them enabled, no filter leaves a recording empty. */
  filtersChecked: 512,
  /** How often collecting metadata yields to orders and signals. */
  metadataQuantumMs: 10,
  /** Text per compressed piece: few calls, little memory. */
  metadataPieceChars: 64 * KiB,
  /** Bytes read at once to see whether the addresses of kallsyms are hidden: one piece tells nearly always. */
  symbolsCheckBytes: 16 * KiB,
  /** A piece of a file is written into a frame only where at least this many bytes fit. */
  sectionPieceMinBytes: 512,
  /** Different lists of sections that may wait to be answered: a recorder has one at a time. */
  metadataWaiting: 8,
  /** Garbage is collected when an agent has done nothing for this long. */
  heapSettleMs: 1_000,
  /** A turn of a worker's event loop in which it waits, so that the allocator gives back what is free. */
  settleTurnMs: 1,
  /** Symbols with address 0 that may precede the others in kallsyms: each CPU's per-CPU data, some hundred. */
  kallsymsFrontChars: 1 * MiB,
  /** How many times a session's lease is checked before it can run out: each is a wake-up of an idle guest. */
  leaseChecks: 6,
  /** Time to hand over the rest of a run whose session ended; what the ports do not take by then is not read. */
  sessionFlushMs: 10_000,
  /** Bytes of a session's notes that are read, and files searched for old notes. */
  notesBytes: 4 * MiB,
  notesFilesMax: 256,
  /** Characters of earlier values that a session may note: filters of all events. Escaped as JSON they fit into notesBytes. */
  notedChars: 1 * MiB,
  /** Longest list of functions, or of tasks, that is restored; an order that would change a longer one is refused. */
  functionListChars: 16 * KiB,
  /** Most functions whose stacks are traced at each call: tracing those of every function locks a kernel up. */
  stackFunctions: 512,
  /** Characters of a host's text that are quoted in a message. */
  quotedChars: 120,
  /** Bytes of replies waiting for the control port; packed metadata with a large kallsyms are below 2 MB. */
  replyQueueBytes: 16 * MiB,
  /** virtio_console takes at most 32 KiB per write and cuts larger ones. */
  replyWriteBytes: 32 * KiB,
  /** Room reserved for a frame's line in front of its bytes, so that both fit one write. */
  frameLineBytes: 64,
  /** How often a waiting reply is retried on a full control port. */
  replyRetryMs: 5,
  /** The same for the first retry after the port took something: its reader is at work. */
  replyRetrySoonMs: 1,
  /** A control port that took nothing for this long has no reader: waiting replies are dropped and counted. */
  replyGiveUpMs: 5_000,
  /** Answers to `clock` that may wait for the port: a host orders the next when it has the last. Further ones are dropped. */
  clockAnswersWaiting: 8,
  /**
   * Where poll wakes at every event, the ring buffer is left out of the poll set after the first, and read once more
   * after this time: that event can be the start of a burst.
   */
  emptyWakeMs: 10,
  /** Poll interval there while whole sub-buffers arrive: 1.4 MiB are full in 50 ms at the highest rates. */
  earlyWakePollMs: 30,
  /** Pause before retrying a call for which the kernel had no memory. */
  deniedPauseMs: 10,
  /** Longest time that memory may be short after a stop order: then the stop has failed, and the host is told. */
  stopDeniedMs: 5_000,
  /**
   * A worker warms up its loop when it has been armed for a while: by then the other workers have started, and what boots beside the agent
   * is not disturbed. A recorder that waits for the guest orders before that, with what the interpreter does. Enough rounds for the
   * optimising compiler, some 20 ms in all. It compiles in threads of its own, long in an emulated guest; what it has made then runs a few
   * times, or its first run would be with the data: an emulator translates code when that runs for the first time, for 0.1 s of 512 MiB's 1.8.
   */
  warmUpPasses: [
    { afterMs: 800, rounds: 400 },
    { afterMs: 400, rounds: 24 },
    { afterMs: 800, rounds: 24 },
  ],
  warmUpIterations: 24,
  /** One round in this many waits for the timeout of a poll, warmUpSleepMs. */
  warmUpSlowRounds: 150,
  warmUpSleepMs: 10,
  /** Two reads. */
  warmUpBytes: 32 * KiB,
  /** How often a worker that waits for the common stdout checks its order word. */
  outputLockWaitMs: 50,
  /** Rescan interval of CPUs and ports while running; an armed agent rescans at each order. */
  rescanMs: 10_000,
  /** Delay after a device node appeared, for its name in sysfs and udev's link. */
  deviceSettleMs: 200,
  /**
   * Descriptors of the runtime and the control plane; and of one CPU: port, pipe, raw file, eventfd, watch, its
   * thread's loop.
   */
  descriptorsBase: 24,
  /**
   * Of the runtime's: standard streams, event loop, and the one used for counting. Additional ones are the
   * caller's.
   */
  descriptorsAtStart: 6,
  descriptorsPerCpu: 12,
  /** How often a data port that hung up or was unplugged is retried. */
  portRetryMs: 1_000,
  /** How many times in a row a failed worker is restarted; the pause doubles each time. */
  workerRestartsMax: 3,
  workerRestartMs: 200,
  /** A worker that ran this long without failing is healthy: its restart count is reset. */
  workerSoundMs: 10_000,
  /** A worker thread answers within this, even on a loaded machine under emulation. */
  workerReadyMs: 30_000,
  /** A control worker ends by itself within this, else it is terminated: it only waits and reads. */
  controlEndMs: 1_000,
  /** At the end of the program: time to hand over remaining data, then time for the workers to end. */
  exitFlushMs: 500,
  /**
   * The same with --stdout: a reader may be slow, and text takes longer than splicing. A second signal ends it at
   * once.
   */
  exitStdoutFlushMs: 10_000,
  exitWorkersMs: 300,
} as const;

assert(guestLimits.exitFlushMs + guestLimits.exitWorkersMs < 1000, "the program ends within a second");
assert(guestLimits.replyWriteBytes <= protocolLimits.frameBytes, "a host accepts our frames");
assert(guestLimits.notedChars * 2 < guestLimits.notesBytes, "a successor reads everything that is noted");
