/** The bounds of what is read of Perfetto's UI: each with its unit and its reason. */
const MiB = 1024 * 1024;

export const uiLimits = {
  /** Entries of the zip, or files of the directory. The release has some hundred. */
  entriesMax: 4_096,
  /** The zip's list of entries. */
  directoryBytes: 2 * MiB,
  /** One file, packed and unpacked: the largest, trace_processor's wasm, has 13 MB; source maps are as large. */
  fileBytes: 64 * MiB,
  /** The longest name of an entry. */
  nameChars: 512,
  /** Directories within each other. */
  depthMax: 16,
} as const;
