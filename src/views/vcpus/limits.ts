/** The bounds of what is said of vCPUs: each with its unit and its reason. */
export const vcpuLimits = {
  /** vCPUs of all guests of a host: with a histogram of 7 KiB each, 28 MiB. A recording may name any number. */
  vcpus: 4_096,
  /**
   * Stalls of a vCPU, and wake-ups in it, that are kept until what overlaps them has come: a wake-up that waited for longer than
   * so many stalls is not held against the older ones.
   */
  recent: 64,
  /** Wake-ups of a guest that are named with a stall, those that it delayed most; others are counted. */
  stallWakeups: 3,
  /** The longest stalls of a guest in a summary. */
  longestInSummary: 3,
} as const;
