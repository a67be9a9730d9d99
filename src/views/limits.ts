/** The bounds of views: each with its unit and its reason. */
export const viewLimits = {
  /** Tasks that a summary as JSON names, the busiest first. */
  summaryTasks: 1_000,
  /** Shortest interval at which saved_cmdlines is read for names of new tasks. */
  liveNamesMs: 200,
  /** How long an export runs before signals are handled, and events between two checks of the time. */
  sliceMs: 50,
  sliceEvents: 256,
  /** Unselected events that are skipped in one step. */
  skippedEventsMax: 65_536,
  /** Bytes of lines that the reader has not taken; up to here more are formatted. */
  pendingBytes: 1024 * 1024,
  /** How long a slow reader is waited for after a signal. */
  flushMs: 1_000,
  /** An export of no longer than this shows no progress; and how often a longer one does. */
  progressAfterMs: 2_000,
  progressEveryMs: 200,
} as const;
