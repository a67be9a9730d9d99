/** `trace-agent metadata`, in a guest: what decoding its streams needs, for a host whose guest cannot send it. */
import { AgentError } from "../errors.ts";
import { packedMetadata } from "../guest/packed-metadata.ts";
import { findTracing } from "../kernel/tracefs.ts";
import { writeAsIs } from "../standard-output.ts";
import { makeCommand } from "./command.ts";

export const metadataCommand = makeCommand({
  name: "metadata",
  description: "In a guest: write to stdout what decoding its streams needs (for trace-agent record --metadata)",
  flags: {
    tracefs: { type: "string", valueHint: "DIR", description: "tracefs, when it is not mounted in its usual place" },
    instance: { type: "string", valueHint: "NAME", description: "A tracefs instance instead of the top-level ring buffer" },
  },
  run: async ({ tracefs, instance }) => {
    if (process.stdout.isTTY) {
      throw new AgentError("usage", "cannot write metadata to a terminal: it is compressed", { remedy: "as in: trace-agent metadata > metadata.gz" });
    }
    writeAsIs(await packedMetadata(findTracing({ tracefs, instance })));
  },
});
