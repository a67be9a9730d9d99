/**
 * `trace-agent metadata`, in a guest: writes what decoding its streams needs, for a host that cannot get it from
 * the agent.
 */
import { packedMetadata } from "../guest/control/packed-metadata.ts";
import { findTracing } from "../tracefs/tracefs.ts";
import { OutputFile, refuseTerminal } from "../base/output-file.ts";
import { OutputPlace } from "../base/output-place.ts";
import { makeCommand } from "./command.ts";
import { outputFlags, readOutput } from "./output-flags.ts";

export const metadataCommand = makeCommand({
  name: "metadata",
  description: "In a guest: write what decoding its streams needs (for trace-agent record --metadata)",
  examples: [{ what: "In the guest, without a host", line: "trace-agent metadata -o metadata.gz" }],
  flags: {
    ...outputFlags,
    output: { ...outputFlags.output, description: "Where to write it (stdout)" },
    tracefs: { type: "string", valueHint: "DIR", description: "tracefs, when it is not mounted in its usual place" },
    instance: {
      type: "string",
      valueHint: "NAME",
      description: "A tracefs instance instead of the top-level ring buffer",
    },
  },
  run: async (values) => {
    const place = OutputPlace.find(values.output ?? "-", { ...readOutput(values, "-"), stream: true });
    try {
      refuseTerminal(place, "metadata", "as in: trace-agent metadata -o metadata.gz");
      const bytes = await packedMetadata(findTracing(values));
      const file = new OutputFile(place);
      try {
        file.write(bytes);
        file.finish();
      } finally {
        file.abandon();
      }
    } finally {
      place.close();
    }
  },
});
