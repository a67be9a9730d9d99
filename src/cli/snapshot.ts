/** `trace-agent snapshot DIR [MACHINE]`: a recorder that keeps the last seconds writes them now. */
import { foreignText } from "../base/foreign-text.ts";
import { print } from "../base/standard-output.ts";
import { askRecorder } from "../host/control/control-client.ts";
import { hostLimits } from "../host/limits.ts";
import { makeCommand } from "./command.ts";

export const snapshotCommand = makeCommand({
  name: "snapshot",
  description: "Write what a recorder that runs with --last holds now; it goes on",
  flags: {
    json: { type: "boolean", description: "The answer as JSON" },
  },
  positionals: [
    { name: "DIR", description: "The directory of record --last -o DIR" },
    { name: "MACHINE", description: "Of this machine alone", required: false },
  ],
  examples: [
    { what: "The last seconds of all machines", line: "trace-agent snapshot /var/lib/trace-agent/flight" },
    { what: "Of one guest", line: "trace-agent snapshot /var/lib/trace-agent/flight vm1" },
  ],
  run: async ({ json }, [directory = "", machine]) => {
    const request = { request: "snapshot", ...(machine === undefined ? {} : { machine }) } as const;
    const { files } = await askRecorder(directory, request, { waitMs: hostLimits.controlSnapshotWaitMs });
    if (json) print(`${JSON.stringify({ files })}\n`);
    else
      for (const { machine: name, file, bytes } of files)
        print(`${foreignText(name)}: ${directory}/${foreignText(file)} (${bytes} bytes)\n`);
  },
});
