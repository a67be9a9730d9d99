/** The bounds of the command line's side: each with its unit and its reason. */

const KiB = 1024;

export const cliLimits = {
  /** A file for `record --config`: a thousand machines with lists of events. */
  configBytes: 256 * KiB,
  configJson: { depthMax: 16, valuesMax: 65_536 },
  /** Of a recorder: each looks at events. */
  triggersMax: 32,
  /** A wake-up that takes a minute is a hang, and guest-gone tells of it. */
  latencyNsMax: 60_000_000_000,
} as const;
