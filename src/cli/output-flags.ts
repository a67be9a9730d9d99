/** Flags of the commands that write a file, and their reading. */
import { AgentError } from "../base/errors.ts";
import { identitiesOf, type OutputRequest } from "../base/output-place.ts";
import { groupId } from "../base/owners.ts";
import type { Flags } from "./command.ts";

export const outputFlags = {
  output: { type: "string", short: "o", valueHint: "FILE", description: "The file to write" },
  group: {
    type: "string",
    valueHint: "GROUP",
    description: "Group that may read the file (mode 0640; without it 0600)",
  },
} as const satisfies Flags;

/** `inputs`: paths that the command reads; they are never overwritten. */
export function readOutput(
  values: { output: string | undefined; group: string | undefined },
  standard: string,
  ...inputs: (string | undefined)[]
): OutputRequest {
  const path = values.output ?? standard;
  if (values.output === "") throw new AgentError("usage", "the output has no name", { remedy: "name it" });
  if (values.group !== undefined && path === "-")
    throw new AgentError("usage", "cannot give stdout to a group", { remedy: "name a file with -o" });
  return {
    path,
    group: values.group === undefined ? undefined : groupId(values.group),
    inputs: identitiesOf(...inputs),
  };
}
