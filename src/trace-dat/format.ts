/**
 * The numbers and words of trace.dat, for readers and writers. Source: trace-cmd.dat.v6(5) and trace-cmd.dat.v7(5);
 * the order of the parts is in write/v6.ts and write/v7.ts.
 */

/** What a file begins with, latin1: 17 08 44 "tracing". Its version follows, a string of digits and a NUL. */
export const magic = "\x17\x08\x44tracing";

/** A machine's byte order in a file's header. */
export const ByteOrder = { little: 0, big: 1 } as const;

/** Options of both versions. A v7 file has a section for each of headerInfo to commandLines, and the option says where. */
export const OptionId = {
  done: 0,
  date: 1,
  cpuStat: 2,
  buffer: 3,
  traceClock: 4,
  uname: 5,
  offset: 7,
  cpuCount: 8,
  version: 9,
  traceId: 11,
  timeShift: 12,
  guest: 13,
  tsc2nsec: 14,
  headerInfo: 16,
  ftraceEvents: 17,
  eventFormats: 18,
  kallsyms: 19,
  printk: 20,
  commandLines: 21,
  /** A buffer with text of a latency tracer. */
  bufferText: 22,
} as const;

/** Sections of v7; a section that an option points at has that option's number. */
export const SectionId = {
  options: 0,
  flyrecord: OptionId.buffer,
  strings: 15,
  headerInfo: OptionId.headerInfo,
  ftraceEvents: OptionId.ftraceEvents,
  eventFormats: OptionId.eventFormats,
  kallsyms: OptionId.kallsyms,
  printk: OptionId.printk,
  commandLines: OptionId.commandLines,
} as const;

/** A section of v7 begins with u16 id, u16 flags, u32 place of its name among the strings, u64 size. */
export const sectionHeaderBytes = 16;
/** Flag: the section is packed, after u32 packed and u32 unpacked size. */
export const sectionCompressed = 1;
/** A CPU's packed data begins with u32 number of chunks. */
export const chunkCountBytes = 4;
/** Pages that trace-cmd packs into one chunk. */
export const chunkPages = 10;

/** Strings that name parts: headers of both versions, and what follows v6's tables. */
export const Part = {
  headerPage: "header_page",
  headerEvent: "header_event",
  options: "options  ",
  flyrecord: "flyrecord",
  /** With text of a latency tracer in place of data. */
  latency: "latency",
} as const;

/** The system whose formats have a list of their own. */
export const ftraceSystem = "ftrace";
/** Flag of TIME_SHIFT: offsets between two samples are interpolated. */
export const timeShiftInterpolated = 1;
