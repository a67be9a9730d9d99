/** The reply to a hello order: who this agent is. */
import { hostname, release } from "node:os";
import { pageSize } from "../../../ffi/sysconf.ts";
import { bootId, machineName } from "../../tracefs/machine.ts";
import { symbolsState } from "../../tracefs/symbols-state.ts";
import { currentClock, longSizeBytes, subBufferSizeBytes } from "../../tracefs/tracefs.ts";
import type { Found, HelloReply, RunState } from "../../protocol/replies.ts";
import { agentWords, firstProtocol } from "../../protocol/words.ts";
import { version } from "../../base/version.ts";
import { settingsThere } from "../settings/setting-table.ts";
import type { Supervisor } from "../supervisor.ts";

export function describeAgent(
  nonce: string,
  state: RunState,
  supervisor: Supervisor,
  tracingDirectory: string,
  found: Found,
): HelloReply {
  return {
    reply: "hello",
    nonce,
    agent: "trace-agent",
    version,
    protocol: firstProtocol,
    words: [...Object.values(agentWords), ...settingsThere(tracingDirectory)],
    hostname: hostname(),
    kernel: release(),
    machine: machineName(),
    bootId: bootId(),
    symbols: symbolsState(tracingDirectory),
    state,
    clock: currentClock(tracingDirectory),
    pageSize: pageSize(),
    subBufferSize: subBufferSizeBytes(tracingDirectory),
    longSize: longSizeBytes(tracingDirectory),
    found,
    cpus: supervisor.slots.map(({ cpu, port, state: cpuState, bytes }) => ({ cpu, port, state: cpuState, bytes })),
  };
}
