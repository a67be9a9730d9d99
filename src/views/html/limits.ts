/** The bounds of a page: each with its unit and its reason. */
export const pageLimits = {
  /** Recordings of at most so many events have a mark for each. Beyond, marks would be most of the page. */
  markedEvents: 250_000,
  /** Slices of tasks and interrupts of all machines: about 9 MB of page, 100 MB in the browser. What comes later is left out. */
  slices: 1_000_000,
  /** Losses that are drawn; a recorder that is too slow loses some in each sub-buffer. */
  losses: 50_000,
  /** Tasks, and names of events and interrupts, that are told apart in a machine. */
  tasks: 65_536,
  names: 4_096,
  /** Texts of the fields of marked events: of one, and of all together, about 1 MB of page. */
  fieldsChars: 400,
  allFieldsChars: 4 * 1024 * 1024,
  /** The longest waits, interrupts and runs that are listed, and stalls of each guest's vCPUs. */
  longest: 25,
  /** Columns begin with room for so many bytes. */
  columnBytes: 256,
} as const;
