/** The bounds of Parquet tables: each with its unit and its reason. */
const KiB = 1024;
const MiB = 1024 * KiB;

export const parquetLimits = {
  /** Rows of a row group at most: larger ones are hardly smaller on disk, and take twice the memory. */
  groupRows: 131_072,
  /** Rows for which a table has room at first: a recording may have thousands of tables with a few rows each. */
  rowsAtFirst: 32,
  /** Tables of events in a recording: Linux 6.18 with everything has 2,400 events. Further events are left out. */
  eventTables: 4_096,
  /** Columns of one table that are filled; a row group of it is written when they hold so much. */
  tableBytes: 16 * MiB,
  /** Columns of all tables together; then the largest table writes its row group. */
  tablesBytes: 64 * MiB,
  /** Of the process; above it what written columns leave behind is collected: by itself the runtime waits for twice as much as is in use. */
  residentBytes: 192 * MiB,
  /** Columns that are written from one collection to the next. */
  collectedBytes: 24 * MiB,
  /** Tables whose file is open, with two descriptors each: a process may have 1,024. */
  openFiles: 400,
  /**
   * Files that are brought to the disk one by one. Of more all of the file system is, at once: that takes as long as what others wrote
   * there, but not as long as a thousand turns of the disk.
   */
  singlySynced: 64,
  /** Texts of ours whose places in a column are remembered. */
  knownTexts: 256,
  /** Text of one value: what a trace_printk prints; an array of numbers may have as many bytes as an event. */
  textBytes: 64 * KiB,
  /** Different values of a column of numbers that become a dictionary. */
  dictionaryNumbers: 16_384,
  /** Values of a column that are looked at first: if half of them differ, no dictionary is made. */
  dictionarySample: 2_048,
  /** The longest text that is told as a column's least or greatest. */
  statisticsBytes: 64,
  /** Level 1: level 3 takes a third more CPU time and saves 4 %. */
  zstdLevel: 1,
  /** Of a name of a machine or session in a path, once it is escaped; a name of the file system has 255. */
  pathNameBytes: 160,
  /** The list of columns of all tables: 2,400 events of 10 fields are 600 kB. */
  columnListBytes: 16 * MiB,
  /** How long another export that writes the list is waited for. */
  lockMs: 30_000,
  /** How much later than another machine's first event that of a quiet one may come, in ns. */
  quietNs: 60_000_000_000n,
  /** Tasks whose first name is looked for before their first events are written. */
  firstNames: 65_536,
} as const;
