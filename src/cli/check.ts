/** `trace-agent check [GUEST]`: says what is wrong, in a guest or with a guest on its host, and what to do about it. */
import { print } from "../base/standard-output.ts";
import { exitCodes, AgentError } from "../base/errors.ts";
import { hostLimits } from "../host/limits.ts";
import { guestDirectory } from "../host/guest-directory.ts";
import { type Condition, conditionLines, failures } from "../check/condition.ts";
import { checkGuest } from "../check/guest-check.ts";
import { checkHost } from "../check/host-check.ts";
import { version } from "../base/version.ts";
import { type Flags, makeCommand } from "./command.ts";
import { readWait } from "./live-flags.ts";

const flags = {
  json: { type: "boolean", description: "Print one JSON document instead of lines" },
  dir: {
    type: "string",
    valueHint: "DIR",
    description: "The guest's directory, instead of /run/virtio-trace/GUEST",
  },
  wait: {
    type: "string",
    valueHint: "SECONDS",
    description: `How long to wait for the guest's agent (${hostLimits.checkWaitMs / 1000})`,
  },
  tracefs: { type: "string", valueHint: "DIR", description: "As for the agent" },
  instance: { type: "string", valueHint: "NAME", description: "As for the agent" },
  ports: { type: "string", valueHint: "DIR", description: "As for the agent" },
} as const satisfies Flags;

export const checkCommand = makeCommand({
  name: "check",
  description: "In a guest: can the agent run? On a host, with GUEST: are its ports right, and does its agent answer?",
  flags,
  groups: { "On a host": ["dir", "wait"], "In a guest": ["tracefs", "instance", "ports"] },
  examples: [
    { what: "In a guest", line: "trace-agent check" },
    { what: "On its host", line: "trace-agent check vm1" },
  ],
  positionals: [
    { name: "GUEST", description: "On a host: name of the VM, or its directory with a slash in it", required: false },
  ],
  run: async (values, [guest]) => {
    for (const flag of ["dir", "wait"] as const) {
      if (guest === undefined && values[flag] !== undefined)
        throw new AgentError("usage", `--${flag} is for a GUEST`, { remedy: "name the guest" });
    }
    const { tracefs, instance, ports: portsDirectory } = values;
    const conditions =
      guest === undefined
        ? checkGuest({ tracefs, instance, portsDirectory })
        : await checkHost(guestDirectory(guest, values.dir), readWait(values.wait));
    const failed = failures(conditions).length > 0;
    print(values.json ? asJson(guest, conditions, !failed) : conditionLines(conditions));
    if (failed) process.exitCode = exitCodes.unavailable;
  },
});

function asJson(guest: string | undefined, conditions: readonly Condition[], ready: boolean): string {
  return `${JSON.stringify({ version, ...(guest === undefined ? {} : { guest }), ready, conditions }, undefined, 2)}\n`;
}
