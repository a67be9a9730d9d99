/** `trace-agent export`: writes a recording for Perfetto. */
import { defaultOutput, exportRecording, exportSummary } from "../host/export.ts";
import { type Flags, makeCommand } from "./command.ts";

const flags = {
  output: { type: "string", short: "o", valueHint: "FILE", description: "Where to write it (the recording's name with .pftrace)" },
} as const satisfies Flags;

export const exportCommand = makeCommand({
  name: "export",
  description: "Writes a recording as a trace for ui.perfetto.dev",
  flags,
  positionals: [{ name: "FILE", description: "A trace.dat, or the spool of an unfinished recording" }],
  run: (values, [path = ""]) => {
    const output = values.output ?? defaultOutput(path);
    process.stdout.write(`${exportSummary(exportRecording({ path, output }), output)}\n`);
  },
});
