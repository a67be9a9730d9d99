/**
 * What the agent answers on the control port: one JSON line each (guest -> host).
 *
 * `bytes` of a stream is the position in it: all that went into this data port since the agent started. The recording
 * between a start and a stop reply is `stop.bytes - start.bytes` bytes long, and its last byte is the last one that the port
 * carries until the next start: what an earlier host left unread lies in front of it.
 */
export const protocolVersion = 1;

/** open: held by us; closed: there, not held (another has it, or it failed); absent: this guest has no such port. */
export type PortState = "open" | "closed" | "absent";
/** armed: waiting for a start order; running: reading the ring buffer; parked: its CPU is offline; failed: given up. */
export type CpuState = "armed" | "running" | "parked" | "failed";
export type RunState = "armed" | "running";

export type StreamPosition = { cpu: number; bytes: number };

export type HelloReply = {
  reply: "hello";
  nonce: string;
  agent: "trace-agent";
  version: string;
  protocol: number;
  hostname: string;
  /** uname -r and uname -m. */
  kernel: string;
  machine: string;
  state: RunState;
  clock: string;
  pageSize: number;
  subBufferSize: number;
  longSize: number;
  cpus: { cpu: number; port: PortState; state: CpuState; bytes: number }[];
};

export type StartReply = { reply: "start"; state: RunState; streams: StreamPosition[] };
export type StopReply = { reply: "stop"; state: RunState; streams: (StreamPosition & { lostBytes: number })[] };

export type CpuStatus = {
  cpu: number;
  state: CpuState;
  port: PortState;
  bytes: number;
  subBuffers: number;
  /** Of the ring buffer's per-CPU stats: unread events, overwritten before read, lost to a nested commit, dropped. */
  entries: number;
  overrun: number;
  commitOverrun: number;
  droppedEvents: number;
  readEvents: number;
  /** Taken from the ring buffer and refused by the port: lost in transit. */
  lostBytes: number;
  /** How often the port could take no more. */
  backpressure: number;
  restarts: number;
};

export type StatusReply = { reply: "status"; state: RunState; repliesDropped: number; cpus: CpuStatus[] };
/** Followed by `bytes` bytes: gzip of the JSON of `Metadata` (metadata.ts). */
export type MetadataReply = { reply: "metadata"; bytes: number; encoding: "gzip" };
export type SetReply = { reply: "set"; key: string; value: string; previous: string };
export type ErrorReply = { reply: "error"; order: string; error: string };

export type Reply = HelloReply | StartReply | StopReply | StatusReply | MetadataReply | SetReply | ErrorReply;
