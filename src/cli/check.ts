/** `trace-agent check [GUEST]`: says what is wrong, in a guest or with a guest on its host, and what to do about it. */
import { exitCodes, AgentError } from "../errors.ts";
import { guestDirectory } from "../host/guest-directory.ts";
import { type Condition, conditionLines, failures } from "../image/condition.ts";
import { checkGuest } from "../image/guest-check.ts";
import { checkHost } from "../image/host-check.ts";
import { version } from "../version.ts";
import { type Flags, makeCommand } from "./command.ts";

const flags = {
  json: { type: "boolean", description: "Print one JSON document instead of lines" },
  dir: { type: "string", valueHint: "DIR", description: "On a host: the guest's directory, instead of /run/virtio-trace/GUEST" },
  tracefs: { type: "string", valueHint: "DIR", description: "In a guest: as for the agent" },
  instance: { type: "string", valueHint: "NAME", description: "In a guest: as for the agent" },
  ports: { type: "string", valueHint: "DIR", description: "In a guest: as for the agent" },
} as const satisfies Flags;

export const checkCommand = makeCommand({
  name: "check",
  description: "In a guest: can the agent run? On a host, with GUEST: are its ports right, and does its agent answer?",
  flags,
  positionals: [{ name: "GUEST", description: "On a host: name of the VM, or its directory with a slash in it", required: false }],
  run: async (values, [guest]) => {
    if (guest === undefined && values.dir !== undefined) throw new AgentError("usage", "--dir is for a GUEST", { remedy: "name the guest" });
    const { tracefs, instance, ports: portsDirectory } = values;
    const conditions =
      guest === undefined ? checkGuest({ tracefs, instance, portsDirectory }) : await checkHost(guestDirectory(guest, values.dir));
    const failed = failures(conditions).length > 0;
    process.stdout.write(values.json ? asJson(guest, conditions, !failed) : conditionLines(conditions));
    if (failed) process.exitCode = exitCodes.unavailable;
  },
});

function asJson(guest: string | undefined, conditions: readonly Condition[], ready: boolean): string {
  return `${JSON.stringify({ version, ...(guest === undefined ? {} : { guest }), ready, conditions }, undefined, 2)}\n`;
}
