/**
 * `trace-agent local-agent DIRECTORY INSTANCE PID`: the agent that `--local` starts for this machine; not for
 * people. It ends with the program that started it; if that was killed, it removes what the two had made.
 */
import { readFileSync } from "node:fs";
import { endWithParent } from "../../ffi/parent.ts";
import { AgentError } from "../base/errors.ts";
import { setLogLevel } from "../base/log.ts";
import { runAgent } from "../guest/agent.ts";
import { localAgentCommand, removeLocal } from "../host/local-left.ts";
import { transportLimits } from "../transport/limits.ts";
import { makeCommand } from "./command.ts";

export const localAgent = makeCommand({
  name: localAgentCommand,
  description: "The agent of record --local, stream --local and top --local, which start it themselves",
  flags: {},
  positionals: [
    { name: "DIRECTORY", description: "Of its FIFOs" },
    { name: "INSTANCE", description: "Of tracefs" },
    { name: "PID", description: "Of the program that started it" },
  ],
  run: async (_, [directory = "", instance = "", parent = ""]) => {
    endWithParent();
    if (hasEnded(parent)) throw new AgentError("unavailable", "the program that started this agent has ended");
    setLogLevel("warn");
    try {
      await runAgent({
        stdout: false,
        format: undefined,
        start: false,
        cpus: undefined,
        pipeSizeBytes: transportLimits.pipeDefaultBytes,
        tracefs: undefined,
        instance,
        portsDirectory: directory,
      });
    } finally {
      if (hasEnded(parent)) await removeLocal(instance, directory);
    }
  },
});

/** Its main thread ends first and is a zombie until its last thread has ended; until then this process is its child. */
function hasEnded(parent: string): boolean {
  if (process.ppid !== Number(parent)) return true;
  try {
    return /^State:\s*[ZX]/m.test(readFileSync(`/proc/${parent}/status`, "latin1"));
  } catch {
    return true;
  }
}
