/** The bounds of event formats and print formats: each with its unit and its reason. */
const KiB = 1024;

export const eventLimits = {
  /** The largest format file of Linux 6.18 has 11 kB; some list a flag table per argument. */
  eventFormatBytes: 256 * KiB,
  /** Linux allows 128 arguments to an event, plus the common fields. */
  eventFields: 256,
  /** Formats of a recording: Linux 6.18 with everything has 2,400. */
  eventFormats: 65_536,
  /** Formats that are not understood and are reported by name; a recording for another program may have hundreds. */
  refusedFormatsTold: 5,
  /** Strings of printk_formats, and the longest: a kernel with its modules has some hundred of 100 characters. */
  printkFormats: 16_384,
  printkFormatChars: 4 * KiB,
  /** Names of tasks that are kept, at 90 bytes each; the kernel keeps 32,768 at most. */
  taskNames: 65_536,
  /** A task's name has 16 bytes in the kernel, with its NUL; longer ones of kernel workers are cut here as there. */
  taskNameBytes: 64,
  /** Cached beginnings of lines, by the last digits of their tasks' pids: a power of two. */
  taskColumns: 512,
  /** Places in saved_cmdlines that are looked at for single names; to read all of its 100 kB costs as much. */
  savedNameSearches: 64,
  /** Lines of kallsyms with an address: a distribution's kernel with all its modules has 400,000. */
  symbols: 1_000_000,
  /** KSYM_NAME_LEN of Linux. */
  symbolNameBytes: 512,
  /** Fields of all formats of a recording: Linux 6.18 with everything has 25,000. */
  recordingFields: 65_536,
  /** Nesting of a print fmt's C expressions, including chains of operators; Linux' deepest has about 20. */
  printFormatDepth: 100,
  /** Words, numbers, strings and signs of a print fmt; the largest of Linux has 2,300. */
  printFormatTokens: 32_768,
  /** Operands and operators of a print fmt, each of which is computed once per event at most; Linux' largest has 80. */
  printFormatNodes: 2_048,
  /** Entries of a print fmt's tables of flags and symbols: each may have to be compared per event. */
  printFormatPairs: 4_096,
  /** %-conversions of a print fmt: Linux' largest has 25. */
  printFormatConversions: 256,
  /** Print fmts of a recording that are compiled, which takes 35 times their size: all of Linux 6.18 have 1.2 MB. */
  recordingPrintBytes: 2 * 1024 * KiB,
  /** A number whose operands are read more often than this is computed once per event and kept. */
  sharedCost: 32,
} as const;
