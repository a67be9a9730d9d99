/** The bounds of the analysis of scheduling: each with its unit and its reason. */
export const schedulingLimits = {
  /** Tasks that are told apart: 10 MB. Those that ended and ran least make room; of others no more are told apart. */
  tasks: 65_536,
  /**
   * Slices that are kept to say what ran while a task waited: of all CPUs together (24 bytes each), and of each at least and
   * at most. A task that waits for a second on a busy CPU sees a thousand.
   */
  historySlices: 262_144,
  historySlicesLeast: 64,
  historySlicesMost: 8_192,
  /** The same of interrupts. */
  historyInterrupts: 65_536,
  /** Interrupts within each other on a CPU: a softirq, an irq in it, vectors and NMIs. */
  interruptDepth: 8,
  /** Kinds of interrupts of which a name and times are kept. */
  interruptKinds: 4_096,
  /** Times at which events began to be lost, kept for tasks that are not heard of before the next: 512 KiB. */
  lossTimes: 65_536,
  /** The longest that can be asked for: each holds the tasks that ran meanwhile. */
  longestMost: 10_000,
  /** The longest shown if no number is given, and in a summary. */
  longest: 10,
  longestInSummary: 3,
  /** Tasks that ran meanwhile and are named; others are added up. */
  meanwhileTasks: 8,
  meanwhileTasksInText: 3,
  /** Tasks by time. */
  tasksInText: 15,
  tasksInJson: 1_000,
} as const;
