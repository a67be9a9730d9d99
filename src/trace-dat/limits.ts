/** The bounds of recordings on disk: each with its unit and its reason. */
import { assert } from "../base/errors.ts";

const KiB = 1024;
const MiB = 1024 * KiB;

export const traceDatLimits = {
  /** Skipped events are reported if one is at least this long before the start: 2 s, in ns or ticks of the clock. */
  pastToldTime: 2e9,
  /**
   * Memory for all tables of a recording, packed, unpacked and as text: a distribution's kernel with all its
   * modules needs 30 MiB.
   */
  tablesBytes: 80 * MiB,
  /** Tables are read so much at a time, the first ones less: thousands of short texts follow each other, or nothing. */
  tableReadBytes: 256 * KiB,
  firstTableReadBytes: 4 * KiB,
  /** kallsyms of a distribution's kernel has 6 to 15 MB. */
  kallsymsBytes: 40 * MiB,
  /** Strings of the kernel and its modules that events refer to by address: 100 kB. */
  printkFormatsBytes: 8 * MiB,
  /** The kernel keeps 32,768 names at most, with 23 bytes each. */
  savedCommandsBytes: 4 * MiB,
  /** Texts of header_page and header_event: 1 kB. */
  headerBytes: 64 * KiB,
  /** An option that is text: uname, one CPU's statistics, the list of trace clocks. */
  optionTextBytes: 16 * KiB,
  /** Options: a few, and one per CPU; those of 4096 CPUs with all samples of times have 4 MiB. */
  optionsMax: 16_384,
  optionsBytes: 8 * MiB,
  /** Ring buffers of a recording: one per tracefs instance. */
  buffersMax: 1_024,
  /** A buffer's or a system's name: NAME_MAX of Linux. */
  nameChars: 255,
  /** Subsystems with events: Linux 6.18 with everything has 130. */
  systemsMax: 4_096,
  /** Formats of events: Linux 6.18 with everything has 3,000. More are read, and what they leave is collected at once. */
  formatsUsual: 8_192,
  /** Memory per CPU and buffer before its events are read. */
  cpuTableBytes: 512,
  /** Recordings that have a descriptor at a time; of more, those that are read. A quarter of what a process may open as a rule. */
  filesOpen: 256,
  /** Samples of host and guest times, of all CPUs: one a second for half a day. */
  timeSamplesMax: 65_536,
  /** trace-cmd packs ten pages at a time, which may have 8 MiB each. */
  chunkBytes: 80 * MiB,
  /** Usual chunks are not larger: ours, and ten pages of trace-cmd. */
  chunkUsualBytes: 256 * KiB,
  /** Unpacked bytes between two collections: 5 to 10 ms for an eighth of a second's work. */
  collectAfterBytes: 32 * MiB,
  /** Unpacked chunks that are kept; others are unpacked again when their CPU is next. */
  chunksKeptBytes: 32 * MiB,
  /** The text of the file trace_clock; Linux 6.18 has 70 bytes. */
  clockTextBytes: 4 * KiB,
  /** A spool's session: the hello and start replies of 4096 CPUs have 0.6 MiB. */
  spoolSessionBytes: 4 * MiB,
  /** Bursts of round trips that a spool keeps, with 250 to 400 bytes each: 8,640 of the first day, 60,000 of a year. */
  clockBurstsMax: 65_536,
  clockBurstsBytes: 64 * MiB,
  /** session.json: 4096 machines with a few recordings each, or segments of weeks; and its texts, nesting, lists and values. */
  sessionBytes: 32 * MiB,
  sessionTextChars: 4_096,
  sessionDepthMax: 16,
  sessionEntriesMax: 65_536,
  sessionValuesMax: 1_000_000,
  /**
   * Bytes that are read, counted and written at a time when a spool becomes a trace.dat, at multiples of it in the file: so the kernel
   * takes a file's memory in pieces of this size. Of 1 MiB there are fewer ready: 512 MiB take less CPU time then, and 2 GiB twice as much.
   */
  blockBytes: 512 * KiB,
  /** Sections up to this size stand in their zstd frame as they are: a compressor's memory, 1.3 MB each time, costs more than they would save. */
  storedBytes: 4 * KiB,
  /** The same where a file is copied or looked through. */
  copyBytes: 256 * KiB,
  /** Of a table of a segment. Level 3, zstd's own choice, takes twice the CPU time for symbols, and saves nothing. */
  tablesZstdLevel: 1,
  /** Copied by the kernel for a segment before ports are served again: 1 ms. */
  segmentTurnBytes: 1 * MiB,
  /** Cuts of a recording that are kept until their segments are written; a line of them, with the counters of 4096 CPUs. */
  cutsBytes: 64 * MiB,
  /** Lines of cuts whose segments are written go when there are so many of them: a recorder cuts for weeks. */
  cutsGrownBytes: 1 * MiB,
  /** Bytes per compressed piece of a version 7 file: what a reader must unpack for one event. */
  compressBytes: 256 * KiB,
  /** Of a compression algorithm's name and of its version's, which may be a commit's hash (40). */
  compressorNameChars: 128,
} as const;

assert(
  traceDatLimits.kallsymsBytes + traceDatLimits.printkFormatsBytes + traceDatLimits.savedCommandsBytes <
    traceDatLimits.tablesBytes,
  "the largest tables leave room for formats",
);
assert(traceDatLimits.compressBytes <= traceDatLimits.chunkUsualBytes, "what is written can be read");
