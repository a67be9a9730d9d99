/** The bounds of tracefs and CPUs: each with its unit and its reason. */
const KiB = 1024;

export const tracefsLimits = {
  /** CPUs of a virtio-serial set-up: 511 ports less the reserved one, the control port and one to spare. */
  cpusMax: 4096,
  /** buffer_subbuf_size_kb allows up to 128 pages. */
  subBufferMaxBytes: 128 * 64 * KiB,
  /** "system:event" and its newline: two names of the kernel's, of at most 64 characters or so each. */
  eventNameBytes: 512,
  /** Patterns in one list of events: each is compared with some 2300 events. */
  eventPatternsMax: 64,
} as const;
