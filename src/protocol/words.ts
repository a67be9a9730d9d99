/** How the two sides describe themselves: protocol numbers, and words of what an agent can do. */

/** The highest protocol that this program speaks. */
export const protocolVersion = 3;

/**
 * What an agent speaks, and what its hello says, until its host says `host N`: hosts of protocol 1 refuse other
 * numbers.
 */
export const firstProtocol = 1;

/** What an agent can do beyond protocol 1, as its hello lists it. A host orders nothing that is not listed. */
export const agentWords = {
  /** Takes `host N`, and then sends progress. */
  host: "host",
  /** Takes `set lease SECONDS`. */
  lease: "lease",
  /** Sends bodies in frames to a host that said `host 3`. */
  frames: "frames",
  /** Takes `metadata SECTION...`. */
  sections: "sections",
  /** Takes `set KEY+ PART`. */
  parts: "parts",
  /** Takes `restore`. */
  restore: "restore",
  /** Takes `set latency_ms N`. */
  latency: "latency_ms",
  /** Sends larger pieces to a host that acknowledges: `host N ack`, and then `ack CPU BYTES`. */
  ack: "ack",
  /** Takes `clock NONCE`. */
  clock: "clock",
} as const;

/** What a host says behind its `host N`. */
export const hostWords = {
  /** It acknowledges what it has taken out of the data ports. Only where the hello lists `ack`. */
  ack: "ack",
} as const;

/** Settings that protocol 1 does not have. Each is a word of a hello, where the guest's kernel has the file for it. */
export const settingWords = [
  "filter",
  "trigger",
  "tracer",
  "functions",
  "no_functions",
  "graph_functions",
  "graph_depth",
  "pids",
  "options",
] as const;

export type SettingWord = (typeof settingWords)[number];

/** All that a host knows of what a hello may list, as it stands on the wire. */
export type AgentWord = (typeof agentWords)[keyof typeof agentWords] | SettingWord;
