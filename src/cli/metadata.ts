/** `trace-agent metadata`, in a guest: what decoding its streams needs, for a host whose guest cannot send it. */
import { gzipSync } from "node:zlib";
import { AgentError } from "../errors.ts";
import { collectMetadata } from "../guest/metadata.ts";
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
  run: ({ tracefs, instance }) => {
    if (process.stdout.isTTY) {
      throw new AgentError("usage", "cannot write metadata to a terminal: it is compressed", { remedy: "as in: trace-agent metadata > metadata.gz" });
    }
    const bytes = gzipSync(JSON.stringify(collectMetadata(findTracing({ tracefs, instance }))));
    writeAsIs(bytes);
  },
});
