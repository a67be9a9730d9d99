/** What a series is and what it gives: figures of ours, beside those of a peer from the same run. */

export type Figure = {
  name: string;
  unit: string;
  ours: number[];
  peer?: { name: string; values: number[] };
  /** What the project wants: a ratio to the peer, or a value. */
  reach?: { ratio: number; is: "most" | "least" } | { value: number; is: "most" | "least" };
};

export type SeriesResult = { figures: Figure[]; notes: string[] };

export type SeriesContext = {
  /** As small as can be: only to see that it works. */
  tiny: boolean;
  /** The peer's program; undefined where it is not to be had. */
  kernelAgent: string | undefined;
  /** How long an event may wait in our agent. */
  latencyMs: number;
  /** Runs of each contender. */
  pairs: number;
  say: (text: string) => void;
};

export type Series = {
  name: string;
  /** One line: what is measured. */
  title: string;
  /** Boots a guest: the tiny run may have to wait for another process's. */
  guest: boolean;
  /** Why it cannot run here; undefined when it can. */
  skipReason: () => string | undefined | Promise<string | undefined>;
  run: (context: SeriesContext) => Promise<SeriesResult>;
};
