/** What the fake guests have in common: the constant parts of their replies. */
import { subBufferBytes } from "./sub-buffers.ts";

/** Without nonce, state and CPUs. */
export const fakeHello = {
  reply: "hello",
  agent: "trace-agent",
  version: "fake",
  protocol: 1,
  hostname: "vm",
  kernel: "6.12",
  machine: "x86_64",
  clock: "local",
  pageSize: 4096,
  subBufferSize: subBufferBytes,
  longSize: 8,
};

/** Of a CPU in a status reply. */
export const noCounters = {
  subBuffers: 0,
  entries: 0,
  overrun: 0,
  commitOverrun: 0,
  droppedEvents: 0,
  readEvents: 0,
  lostBytes: 0,
  backpressure: 0,
  restarts: 0,
};

/** One line of a real header_page each. */
export const fakeHeaderPage =
  "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n\tfield: char data;\toffset:16;\tsize:4080;\tsigned:1;\n";
