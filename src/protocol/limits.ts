/** The bounds of what host and guest say to each other: each with its unit and its reason. */
import { assert } from "../base/errors.ts";
import { tracefsLimits } from "../tracefs/limits.ts";

const KiB = 1024;
const MiB = 1024 * KiB;

export const protocolLimits = {
  /** The longest order: `set events` with a list of some hundred event names. */
  orderLineBytes: 16 * KiB,
  /** One read of the control port; the next one follows when it was handled. */
  controlReadBytes: 64 * KiB,
  /** A reply line: a status of `cpusMax` CPUs at some 300 bytes each. */
  replyLineBytes: 2 * MiB,
  /** Nesting of a reply: list in object in list, and one to spare. */
  replyDepth: 6,
  /** Values of a reply: a status of `cpusMax` CPUs with twice today's fields. */
  replyValues: 131_072,
  /** A value of `set`, new or earlier: all events of a kernel, listed one by one, are 60 kB. */
  settingChars: 256 * KiB,
  /** Tasks that `set pids` takes. */
  pids: 64,
  /** Names and patterns of functions in one list: the kernel compares each with some 50,000 functions. */
  functionWords: 1024,
  /** A filter of events: the kernel takes less than a page, and looks at all of it for every event. */
  filterChars: 1024,
  /** Reasons in one reply to `restore`. */
  restoreFailures: 32,
  /** Bytes of a body in one frame: what virtio_console takes of one write. */
  frameBytes: 32 * KiB,
  /** The packed body of a metadata reply: 1 MB with a large kallsyms. */
  metadataPackedBytes: 16 * MiB,
  /** The same unpacked, as JSON: 8 MB with a large kallsyms, 20 MB with that of a distribution and all its modules. */
  metadataBytes: 40 * MiB,
  /** Bodies that are being received, of all guests of a program: one of the largest, or 1 MiB of each of 64 guests. */
  bodiesBytes: 64 * MiB,
  /** One file of it, beside kallsyms: printk_formats, or saved_cmdlines of 32,768 tasks. */
  metadataFileBytes: 4 * MiB,
  /** Files in it: a kernel has some 2000 events. */
  metadataFiles: 50_000,
  /** Words of what an agent can do; today's agent lists some fifteen. */
  agentWords: 64,
  /** Filters reported of one guest: enough to explain an empty recording. */
  foundFilters: 32,
  /**
   * Seconds without a byte after which a session's settings are restored. The recorder asks for the status every
   * second.
   */
  leaseSecondsMin: 10,
  leaseSecondsMax: 3600,
  leaseSecondsDefault: 60,
  /**
   * What `set latency_ms` takes: less wakes the guest more than a hundred times a second, more keeps a recorder's user waiting
   * for the first event. The default is for recordings, the other for views that show events while they happen.
   */
  latencyMsMin: 10,
  latencyMsMax: 10_000,
  latencyMsDefault: 500,
  latencyMsLive: 50,
  /** A guest's text shown to a person: host name, kernel release, reason of an error. */
  guestTextChars: 300,
} as const;

assert(protocolLimits.replyLineBytes >= tracefsLimits.cpusMax * 400, "a status reply of all CPUs fits a line");
assert(
  protocolLimits.replyValues >= tracefsLimits.cpusMax * 28,
  "a status reply of all CPUs stays within the number of values",
);
assert(protocolLimits.metadataBytes <= protocolLimits.bodiesBytes, "a body alone is within what all may have");
