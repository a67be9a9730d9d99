/** Every bound of the program, with its unit and its reason. */
import { assert } from "./errors.ts";

const KiB = 1024;
const MiB = 1024 * KiB;

export const limits = {
  // -- orders and replies (control port) --
  /** The longest order: `set events` with a list of some hundred event names. */
  orderLineBytes: 16 * KiB,
  /** So many unknown orders are logged and answered; further ones are counted. */
  malformedOrdersLogged: 20,
  /** One read of the control port; no more is read before it was handled. */
  controlReadBytes: 64 * KiB,
  /** Replies that wait for the control port to take them; metadata with a large kallsyms is under 2 MB when packed. */
  replyQueueBytes: 16 * MiB,
  /** virtio_console takes at most 32 KiB of a write; larger ones would be cut short anyway. */
  replyWriteBytes: 32 * KiB,
  /** How often a waiting reply is offered to a full control port again. */
  replyRetryMs: 5,
  /** A control port that took nothing for so long has no reader: what waits is dropped and counted. */
  replyGiveUpMs: 5_000,

  // -- moving data (per CPU) --
  pipeMinBytes: 64 * KiB,
  pipeMaxBytes: 1 * MiB,
  pipeDefaultBytes: 1 * MiB,
  /**
   * One splice to a virtio port becomes one entry of a queue of 128, and its pages are held until the host has read them:
   * 76 KiB bound that to 9.5 MiB per port, and with what lies in the pipe to less than 10. Larger ones move data faster (256 KiB:
   * as fast as the kernel's agent, 32 MiB held). FIFOs, sockets and files bound themselves.
   */
  virtioTakeBytes: 76 * KiB,
  /** Running, an event must reach the host within 500 ms: so often a worker looks when nothing came. */
  idleLookMs: 390,
  /** After data the next look comes sooner, so that a busy CPU's events reach the host within 50 ms. */
  busyLookMs: 30,
  /**
   * What a look costs is the wake-up and the cold caches, not the data: where a look finds so much (some 200,000 events/s), the
   * next comes later. The wake-up of buffer_percent comes in between where the ring buffer is small.
   */
  heavyLookBytes: 256 * KiB,
  heavyLookMs: 200,
  /** After POLLIN without a whole sub-buffer poll would spin: so long the ring buffer is left out of the poll set. */
  emptyWakeMs: 10,
  /** Armed for so long, a worker rehearses its loop: by then the others have started too. */
  rehearsalDelayMs: 200,
  /** Enough for the optimising compiler, some 20 ms in all. */
  rehearsalRounds: 400,
  rehearsalTurns: 24,
  /** One round in so many waits for the time-out of a look, busyLookMs. */
  rehearsalSlowRounds: 150,
  /** Two takes. */
  rehearsalBytes: 32 * KiB,
  /** A worker waiting for its turn at the common stdout looks at the order word so often. */
  outputLockWaitMs: 50,
  /** buffer_subbuf_size_kb allows up to 128 pages. */
  subBufferMaxBytes: 128 * 64 * KiB,

  // -- reading recordings --
  /** The largest format file of Linux 6.18 has 11 kB; some list a flag table per argument. */
  eventFormatBytes: 256 * KiB,
  /** Linux allows 128 arguments to an event, plus the common fields. */
  eventFields: 256,
  /** Formats of a recording: Linux 6.18 with everything has 2,400. */
  eventFormats: 65_536,
  /** Nesting of a print fmt's C expressions; Linux' deepest has about 20. */
  printFormatDepth: 100,
  /** Width and precision that a %-format may ask for. */
  textWidth: 4 * KiB,
  /** Text is handed on when so much has come together. */
  textBufferBytes: 256 * KiB,
  /** The longest line: an event of a whole sub-buffer printed byte by byte. */
  textLineBytes: 512 * KiB,
  /** Recordings' tables: kallsyms of a distribution's kernel has 6 to 15 MB, the formats 2 MB. */
  recordingTableBytes: 256 * MiB,
  /** Read from a recording at a time per CPU; with 512 CPUs still 64 MiB. */
  recordingReadBytes: 128 * KiB,

  // -- supervision --
  /** CPUs of a virtio-serial set-up: 511 ports less the reserved one, the control port and one to spare. */
  cpusMax: 4096,
  /** While running, CPUs and ports are looked over so often; an armed agent looks when an order comes. */
  rescanMs: 10_000,
  /** At start the ports of a virtio-serial device are waited for so long; QEMU names them a moment after the device. */
  portsWaitMs: 2_000,
  portsLookMs: 50,
  /** After a device node appeared: the time for its name in sysfs and for udev to make its link. */
  deviceSettleMs: 200,
  /** Descriptors of the runtime and the control plane; of one CPU: port, pipe, raw file, eventfd, watch, its thread's loop. */
  descriptorsBase: 24,
  descriptorsPerCpu: 12,
  /** A data port that hung up or was unplugged is tried again so often. */
  portRetryMs: 1_000,
  /** A worker that failed is started again so many times in a row, with a pause that doubles. */
  workerRestartsMax: 3,
  workerRestartMs: 200,
  /** A worker that ran so long without failing is sound again: its tries begin anew. */
  workerSoundMs: 10_000,
  /** A worker thread answers within this, even on a loaded machine under emulation. */
  workerReadyMs: 30_000,
  /** At the end of the program: time to hand over what is left, then time for the workers to end. */
  exitFlushMs: 500,
  exitWorkersMs: 300,

  // -- host: control port and recorder --
  /** 69 virtio-serial devices of 15 ports: nine PCI slots for QEMU, and libvirt's schema ends at 99. */
  setupCpusMax: 1024,
  /** A reply line: status of `cpusMax` CPUs at some 300 bytes each. */
  replyLineBytes: 2 * MiB,
  /** The packed body of a metadata reply: 1 MB with a large kallsyms. */
  metadataPackedBytes: 32 * MiB,
  /** The same unpacked, as JSON: 8 MB with a large kallsyms. */
  metadataBytes: 64 * MiB,
  /** An agent that lives answers a hello within this, also in an emulated guest that just boots. */
  helloWaitMs: 5_000,
  helloRepeatMs: 1_000,
  /** After so long without any byte from the guest an answer is not waited for any more. */
  replySilenceMs: 10_000,
  /** Replies that wait to be asked for. */
  repliesKept: 64,
  /** So long a turn of the pump waits at most: what a signal may be late. */
  pumpWaitMs: 100,
  /** A busy guest is served for so long before the program's own events are looked at. */
  pumpBusyMs: 20,
  /** One splice into the spool: all that an enlarged FIFO holds. */
  spoolSpliceBytes: 1 * MiB,
  /** What one stream may move before the next has its turn. */
  streamShareBytes: 4 * MiB,
  /** Ports that were silent for so long are empty: what an earlier host left there has come through. */
  silenceMs: 150,
  /** Ports that are not silent after so long are those of a guest that sends without end: it is not waited for any longer. */
  drainMostMs: 10_000,
  /** The kernel's own agent tells no totals: after so long a silence all has come. */
  rawSilenceMs: 1_000,
  /** The status line of a recording is renewed so often. */
  statusLineMs: 500,
  /** An agent that is told to end does so within a second; a loaded machine takes longer. */
  agentEndMs: 10_000,
  /** How often the recorder asks the guest for its counters. */
  statusEveryMs: 1_000,
  /** A status order that was not answered for so long is repeated: the guest may have booted anew. */
  statusRepeatMs: 5_000,
  /** Files in it: a kernel has some 2000 events. */
  metadataFiles: 50_000,
  /** A guest's text shown to a person: host name, kernel release, reason of an error. */
  guestTextChars: 300,
  /** Read, counted and written at a time when a spool becomes a trace.dat: it stays in a CPU's cache meanwhile. */
  copyBytes: 256 * KiB,
  /** After so much the disk is told to begin, so that it is nearly done when the last byte is written. */
  writebackBytes: 8 * MiB,
  /** Compressed at a time in a version 7 file: what a reader must unpack to get at one event. */
  compressBytes: 256 * KiB,

  // -- live: stream, top, text on a terminal --
  /**
   * A line is held until no CPU can bring an earlier one: for as long as the agent lets an event wait, and a moment more.
   * With the time of a turn it still comes within half a second of its event.
   */
  liveHoldMs: 430,
  /** Held so long instead, from when it came, as long as the clock of the guest is not known well or counts no ns. */
  liveArrivalHoldMs: 40,
  /** Deliveries from which the guest's clock is known well enough. */
  liveClockSamples: 16,
  /** The guest's clock is measured anew so often: clocks drift apart. */
  liveClockWindowMs: 10_000,
  /** More than that is not held back to be put in order. */
  liveHeldBytes: 32 * MiB,
  /** So often what came is looked at. */
  liveTurnMs: 20,
  /** Read from a port at a time. */
  liveReadBytes: 256 * KiB,
  /** saved_cmdlines is read for the names of new tasks, but no more often than this. */
  liveNamesMs: 200,
  /** A screen of `top` is drawn so often; keys are answered at once, but no more than four times a second in all. */
  topRefreshMs: 500,
  topRedrawMs: 250,
  /** Lines, where there is no terminal. */
  topLineMs: 1_000,
  /** What `top` shows are rates over so many refreshes: 2 s. */
  topWindow: 4,
  /** `top` keeps so much of the past to be recorded. */
  topKeepMs: 10_000,
  topKeepBytes: 128 * MiB,
} as const;

assert(limits.pipeMinBytes <= limits.virtioTakeBytes, "a virtio take must fit the smallest pipe or more");
assert(limits.pipeDefaultBytes <= limits.pipeMaxBytes, "the default pipe is within the bounds");
assert(limits.idleLookMs + limits.busyLookMs < 500, "an event reaches the host within 500 ms");
assert(limits.helloRepeatMs < limits.helloWaitMs, "a hello is said more than once");
assert(limits.statusEveryMs < limits.statusRepeatMs, "a status order is not repeated before its answer is due");
assert(limits.replyLineBytes >= limits.cpusMax * 400, "a status reply of all CPUs fits a line");
assert(limits.silenceMs < limits.drainMostMs && limits.rawSilenceMs < limits.drainMostMs, "silence can be heard");
assert(limits.setupCpusMax <= limits.cpusMax, "all that can be set up can be recorded");
assert(limits.exitFlushMs + limits.exitWorkersMs < 1000, "the program ends within a second");
assert(limits.liveHoldMs > limits.idleLookMs + limits.busyLookMs, "a line waits for the slowest CPU's");
assert(limits.liveHoldMs + 2 * limits.liveTurnMs < 500, "a line comes within 500 ms of its event");
