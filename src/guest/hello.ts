/** Who we are: the reply to a hello order. */
import { hostname, release } from "node:os";
import { pageSize } from "../../ffi/sysconf.ts";
import { machineName } from "../kernel/machine.ts";
import { currentClock, longSizeBytes, subBufferSizeBytes } from "../kernel/tracefs.ts";
import { type HelloReply, protocolVersion, type RunState } from "../protocol/replies.ts";
import { version } from "../version.ts";
import type { Supervisor } from "./supervisor.ts";

export function describeAgent(nonce: string, state: RunState, supervisor: Supervisor, tracingDirectory: string): HelloReply {
  return {
    reply: "hello",
    nonce,
    agent: "trace-agent",
    version,
    protocol: protocolVersion,
    hostname: hostname(),
    kernel: release(),
    machine: machineName(),
    state,
    clock: currentClock(tracingDirectory),
    pageSize: pageSize(),
    subBufferSize: subBufferSizeBytes(tracingDirectory),
    longSize: longSizeBytes(tracingDirectory),
    cpus: supervisor.seats.map(({ cpu, port, state: cpuState, bytes }) => ({ cpu, port, state: cpuState, bytes })),
  };
}
