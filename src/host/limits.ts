/** The bounds of the host's side: each with its unit and its reason. */
import { assert } from "../base/errors.ts";
import { traceDatLimits } from "../trace-dat/limits.ts";
import { tracefsLimits } from "../tracefs/limits.ts";

const KiB = 1024;
export const MiB = 1024 * KiB;

export const hostLimits = {
  /** Time in which an agent that we started answers, even on a loaded machine. */
  agentReadyMs: 30_000,
  /** The line in the lock file that says who uses the guest. */
  holderBytes: 256,
  /** 69 virtio-serial devices of 15 ports: nine PCI slots for QEMU, and libvirt's schema ends at 99. */
  setupCpusMax: 1024,
  /** How long a hello waits for its answer (`--wait`): enough for a loaded machine and an emulated guest that boots. */
  helloWaitMs: 20_000,
  /** The same for `check`, which is used when something is wrong. */
  checkWaitMs: 10_000,
  helloRepeatMs: 1_000,
  /**
   * Waiting for an answer: longest time without progress, longest total, and total while the agent reports
   * progress.
   */
  reply: { silenceMs: 12_000, totalMs: 60_000 },
  workingTotalMs: 300_000,
  /** The same for restoring settings at the end: the guest answered a moment ago, so it answers at once. */
  restore: { silenceMs: 5_000, totalMs: 10_000 },
  /** The same in the middle of a run, which does not wait for a guest that hangs. */
  cutReply: { silenceMs: 2_000, totalMs: 5_000 },
  /** Bytes that count as progress; a guest that sends single bytes counts as silent. */
  progressBytes: 16 * KiB,
  /** How long the guest is waited for after the first request to stop. After the second it is not waited for. */
  stopGraceMs: 10_000,
  /** Without a terminal, a wait is logged when it has lasted this long. */
  waitToldMs: 3_000,
  /** Symbols of guests kept on this host, in all: those of some 60 kernels. */
  symbolCacheBytes: 64 * MiB,
  /** The same of one guest, in files of at most metadataPackedBytes: of this boot, with a module and without it. */
  symbolsOfGuest: 2,
  /** Systems named in one order for formats, which fits its line. With more of them all formats are ordered. */
  formatSystemsMax: 200,
  /** Ready ports that one epoll_wait returns; further ones follow at the next call. */
  loopEvents: 256,
  /** How late a run that waits for an answer may see it while other ports are busy. */
  loopLookMs: 1,
  /** Where what one read of a control port brings takes longer, less is read the next time, and at least so many bytes. */
  controlTakeMs: 3,
  controlShareMinBytes: 1 * KiB,
  /**
   * CPU time that a guest's control port may take at once (a start with all symbols of a kernel takes some 20 ms), and the share of a CPU from
   * then on (counters and clocks take 0.0005); and the share that all divide who need more.
   */
  controlCpuMs: 200,
  controlCpuShare: 0.005,
  controlCommonCpuShare: 0.1,
  /** Longest epoll_wait; bounds how late a signal is seen. */
  pumpWaitMs: 100,
  /** How long a busy guest is served before signals and timers are handled. */
  pumpBusyMs: 20,
  /** Bytes of one splice into the spool: the size of an enlarged FIFO. */
  spoolSpliceBytes: 1 * MiB,
  /** What a socket to QEMU holds at least (net.core.wmem_default). */
  socketHeldBytes: 128 * KiB,
  /**
   * While all ports bring little and nobody waits for an answer, so long nothing is polled: 256 ports that each bring something now
   * and then are taken together. A FIFO of 1 MiB is filled in it at 200 MB/s.
   */
  loopPauseMs: 5,
  /**
   * Bytes of a stream after which its guest is told what was taken: nearly half of what may be on its way in large pieces. Each order
   * wakes a thread of the guest.
   */
  ackBytes: 4 * MiB,
  /**
   * Bytes that one port may move before the next port is served, and all ports of a guest, which divide them: 8 MiB take 10 to 20 ms. At least
   * the second of them for each port.
   */
  streamShareBytes: 1 * MiB,
  streamShareMinBytes: 64 * KiB,
  guestShareBytes: 8 * MiB,
  /** Ports that were silent for this long are empty: leftovers of an earlier host have all arrived. */
  silenceMs: 150,
  /** Longest wait for ports to become silent: a guest may send without end. */
  drainMostMs: 10_000,
  /** The same after everything that the stop reply announced has arrived, or when the reply is impossible. */
  restMostMs: 3_000,
  /** Slowest expected pace (bytes per ms) of the data left at a stop. A loaded emulated guest sends some 20 MiB/s. */
  restPaceBytes: 4 * KiB,
  /** Bytes in flight at a stop beside the ring buffer: port 9.5 MiB, FIFO or socket 1 MiB, the agent's pipe 1 MiB. */
  transitBytes: 16 * MiB,
  /**
   * Assumed size of a CPU's ring buffer: at least (it can be enlarged at any time) and at most (also where CPUs
   * differ).
   */
  ringBufferMinBytes: 128 * MiB,
  ringBufferMaxBytes: 1024 * MiB,
  /** File descriptors of the runtime, control port and spool; and per data port: the port and its destination. */
  descriptorsBase: 32,
  descriptorsPerPort: 2,
  /** The kernel's own agent announces no totals: after this long a silence everything has arrived. */
  rawSilenceMs: 1_000,
  /** From this size on, writing the file takes more than a second, so it is announced. */
  finishToldBytes: 1024 * MiB,
  /** Writing a file that takes no longer than this shows no progress. */
  progressAfterMs: 2_000,
  /** Refresh interval of a recording's status line. */
  statusLineMs: 500,
  /** Of several machines: how often signals and limits are checked beside the ports. */
  machinesTurnMs: 50,
  /** --join: how often a machine that is not there is tried, and what inotify does not tell is looked at. */
  joinEveryMs: 1_000,
  /** After a change in a guest's directory: QEMU makes the sockets of all ports within milliseconds, the control port's first. */
  joinSettleMs: 100,
  /**
   * While machines start, and after the last of them, what the starts leave is collected so often: they are the most work. Later so
   * often: of 64 guests each burst of round trips leaves 12 MB. Each time 15 ms.
   */
  heapSettleMs: 500,
  settleEveryMs: 5_000,
  /** So often, then, what is mapped of the executable is given back: to find it takes 4 ms. */
  pagesEveryMs: 60_000,
  /** Of a machine's name: with a number and ".dat" it is a file's name, which may have 255. */
  machineNameBytes: 240,
  /**
   * --max-memory and --max-descriptors: the least of them, which a recorder of one small machine needs; the share of its memory that a machine
   * must find free; how often memory is looked at, and how often in a row it is too much before a machine is given up.
   */
  memoryMinBytes: 64 * MiB,
  descriptorsMin: 128,
  memoryRoomShare: 1 / 8,
  memoryLookMs: 1_000,
  memoryLooks: 3,
  /** A segment is cut at a time that has passed: beside the guest's own latency, so long may its data be on their way. */
  cutLagMs: 300,
  /** What lies between ports and segments is kept in files of so many bytes, at most a 32nd of what is kept in all, half of a segment. */
  pieceMaxBytes: 64 * MiB,
  pieceMinBytes: 64 * KiB,
  pieceShare: 32,
  /** Of a port: what may come before it is seen that the disk's bound is reached. */
  portMarginBytes: 2 * MiB,
  /** A segment is written in turns, between which the ports are served. */
  segmentTurnMs: 4,
  /** The disk's free space is looked at so often. Without --free: this share of it stays free, and at most so much. */
  freeEveryMs: 500,
  freeShare: 0.05,
  freeMaxBytes: 1024 * MiB,
  /** The least of a segment, a ring, or what is kept; a recorder that cuts more often does little else. */
  cutMinBytes: 1 * MiB,
  /** Segments and snapshots in a session, of all machines: with the longest names they fit into session.json. A year of one machine, four each hour. */
  segmentsMax: 32_768,
  rotateMinMs: 1_000,
  /** What --last keeps at most, and how far snapshots are apart, if nothing is said. */
  ringBytes: 512 * MiB,
  snapshotEveryMs: 1_000,
  /** A segment that cannot be written is tried again after this long. */
  segmentRetryMs: 5_000,
  /** How often the service manager is told what a recorder does, where that changed. */
  noticeEveryMs: 2_000,
  /** An agent that is asked to end does so within a second; a loaded machine takes longer. */
  agentEndMs: 10_000,
  /** How long the removal of a tracefs instance is tried: of a process that was killed the kernel closes the files later. */
  instanceFreeMs: 2_000,
  /** How often the recorder asks the guest for its counters. */
  statusEveryMs: 1_000,
  /** A QEMU that is asked for its vCPUs answers at once; 4096 of them have 1 MiB. */
  qmpAnswerMs: 5_000,
  qmpAnswerBytes: 4 * MiB,
  /** Round trips of a burst, back to back: with fewer the bound is wide; no more of them where each is slow. Measured, emulated guest: 0.2 ms. */
  burstRounds: 64,
  burstMs: 250,
  /** The same at a cut, which must know whether a clock stepped before it. */
  cutRounds: 2,
  /** How long one answer to a clock order is waited for; without one the burst ends. */
  burstAnswerMs: 2_000,
  /** Between two bursts: clocks drift apart by 1 ms in it at most. Longer in a recording of more than a day, whose bursts are few then. */
  burstEveryMs: 10_000,
  burstsPerDuration: 8_640,
  /** A status order without an answer is repeated after this long: the guest may have rebooted. */
  statusRepeatMs: 5_000,
  /** A guest without an answer for this long is shown as silent; the log says so later. */
  statusSilentMs: 5_000,
  silenceToldMs: 10_000,
  /** What of a guest is held to be put in order, where many are followed: some milliseconds at full speed. */
  liveHeldMinBytes: 1 * MiB,
  /** Refresh interval of `top`. Keys are answered at once, but the screen is drawn at most four times a second. */
  topRefreshMs: 500,
  topRedrawMs: 250,
  /** Refresh interval where there is no terminal and `top` prints lines. */
  topLineMs: 1_000,
  /** `top` shows rates over this many refreshes: 2 s. */
  topWindow: 4,
  /** `top` names the longest wait of so long, and forgets tasks that did nothing for so long. */
  topLongestMs: 10_000,
  topIdleTaskMs: 60_000,
  /** How much of the recent past `top` keeps for recording. */
  topKeepMs: 10_000,
  topKeepBytes: 32 * MiB,
  /** Of each of many guests. */
  topKeepMinBytes: 2 * MiB,
  /** So often new threads of this program are looked for, whose events are left out; filters are set for so long at a time. */
  selfFilterEveryMs: 200,
  selfFilterTurnMs: 20,
  /** The kernel takes a filter of a page. */
  selfFilterChars: 4_000,
  /** A recorder's control socket: how often it is served; clients at once, further ones wait; a request; how long one may take. */
  controlTurnMs: 50,
  controlClients: 16,
  controlRequestBytes: 4 * KiB,
  controlRequestMs: 5_000,
  /** How long a client may leave an answer unread. */
  controlAnswerMs: 10_000,
  /** A status with 4096 machines, or 65,536 CPUs in all. */
  controlReplyBytes: 16 * MiB,
  controlReplyValues: 2_000_000,
  /** How long a client waits for an answer: a recorder that writes its files serves no one for seconds. */
  controlWaitMs: 60_000,
  /** The same for one of another user's, who may want to keep root waiting. */
  controlForeignWaitMs: 5_000,
  /** A snapshot is a copy of up to the disk's size. */
  controlSnapshotWaitMs: 3_600_000,
  controlRetryMs: 20,
  /** Links to recorders that are looked at: more than a machine runs. */
  registeredMax: 4_096,
  /** A guest without a status answer for so long is gone (--silent-after). */
  silentAfterMs: 5_000,
  /** What triggers watch of streams: read at a time; for how long in a turn; and passed over beyond that, where they are behind. */
  triggerReadBytes: 256 * KiB,
  triggerTurnMs: 15,
  triggerBehindBytes: 64 * MiB,
  /** Wake-ups and switches are put in order for as long as an event may wait in the guest, and so much longer: a false alarm costs a snapshot. */
  triggerHoldMoreMs: 1_000,
  /** Of one CPU that are held for that: 1.5 s of the most that a kernel writes. */
  triggerHeldMax: 1_048_576,
  /** How often metrics are written: collectors ask every 15 to 60 s. */
  metricsEveryMs: 10_000,
  /** A process of our own is ready to become a command within this, also on a loaded machine; and is asked so often. */
  commandReadyMs: 30_000,
  commandReadyEveryMs: 2,
  /** NGROUPS_MAX of Linux; id(1) with a directory service that does not answer. */
  commandGroupsMax: 65_536,
  commandGroupsMs: 10_000,
  /** Soft limit of a command's descriptors where the caller's cannot be read: what Linux gives. */
  commandDescriptors: 1_024,
  /** Tasks that `top` tells apart within its window; each is held in several snapshots. */
  topTasks: 4_096,
} as const;

assert(hostLimits.helloRepeatMs < hostLimits.helloWaitMs, "a hello is repeated before it is given up");
assert(hostLimits.reply.silenceMs < hostLimits.reply.totalMs, "a silence ends a wait before its time is over");
assert(hostLimits.reply.totalMs < hostLimits.workingTotalMs, "an agent that says that it works is given more time");
assert(hostLimits.restore.totalMs <= hostLimits.stopGraceMs, "settings are restored within the grace time of a stop");
assert(hostLimits.statusEveryMs < hostLimits.statusRepeatMs, "a status order is not repeated before its answer is due");
assert(
  hostLimits.silenceMs < hostLimits.drainMostMs && hostLimits.rawSilenceMs < hostLimits.drainMostMs,
  "a drain is long enough to see a silence",
);
assert(hostLimits.loopPauseMs < hostLimits.pumpBusyMs, "a pause leaves time to serve ports");
assert(hostLimits.setupCpusMax <= tracefsLimits.cpusMax, "all that can be set up can be recorded");
assert(
  hostLimits.segmentsMax * (700 + hostLimits.machineNameBytes) < traceDatLimits.sessionBytes &&
    hostLimits.segmentsMax * 16 < traceDatLimits.sessionValuesMax &&
    hostLimits.segmentsMax < traceDatLimits.sessionEntriesMax,
  "a session of so many segments can be read",
);
