/** The bounds of text and output files: each with its unit and its reason. */
const KiB = 1024;
const MiB = 1024 * KiB;

export const baseLimits = {
  /** Width and precision in a %-format. */
  textWidth: 4 * KiB,
  /** Text is handed on in pieces of this size. */
  textBufferBytes: 256 * KiB,
  /** The longest line: an event of a whole sub-buffer printed byte by byte. */
  textLineBytes: 512 * KiB,
  /** How long a reader that takes nothing is waited for before signals are handled. */
  drainTurnMs: 20,
  /** What a pipe with room takes without blocking (PIPE_BUF). */
  pipeAtomicBytes: 4 * KiB,
  /** After this many bytes the disk starts writing, so that it is nearly done when the last byte is written. */
  writebackBytes: 8 * MiB,
  /** Pieces of a file up to this size are put together before they are written, and so many bytes of them. */
  smallPieceBytes: 4 * KiB,
  smallPiecesBytes: 16 * KiB,
  /** Of one read and write where the kernel cannot copy between two files. */
  copyBytes: 256 * KiB,
  /** Linux gives up a path after this many links, too (path_resolution(7)). */
  linksFollowed: 40,
  /** The longest name of an entry in a directory (NAME_MAX). */
  nameBytes: 255,
} as const;
