/** `trace-agent recover SPOOL -o FILE`: the file of a recorder that was killed. */
import { AgentError } from "../base/errors.ts";
import { recoverSession } from "../host/machines/finish-machines.ts";
import { runRecover } from "../host/run/run-record.ts";
import { isSession } from "../trace-dat/session/is-session.ts";
import { makeCommand } from "./command.ts";
import { outputFlags, readOutput } from "./output-flags.ts";
import { readFormat, readMetadataFile } from "./record-options.ts";

export const recoverCommand = makeCommand({
  name: "recover",
  description:
    "Make the trace.dat from the spool that a killed recorder left, or from raw streams: a directory with the data of each port as cpu0, cpu1 and so on, and --metadata",
  examples: [
    { what: "One machine's", line: "trace-agent recover trace.dat.spool -o trace.dat" },
    { what: "Those of a recording of several", line: "trace-agent recover session/" },
    {
      what: "Streams that were saved with cat",
      line: "trace-agent recover streams/ --metadata metadata.gz -o trace.dat",
    },
  ],
  flags: {
    ...outputFlags,
    format: { type: "string", valueHint: "v6|v7", description: "Version of the file; v7 is compressed (v6)" },
    metadata: { type: "string", valueHint: "FILE", description: "What trace-agent metadata wrote in the guest" },
    remove: { type: "boolean", description: "Remove the spool when all of it is in the file" },
  },
  positionals: [
    { name: "SPOOL", description: "The directory FILE.spool, one with files cpuN, or the DIR of several machines" },
  ],
  run: async (values, [spool = ""]) => {
    if (isSession(spool)) return await recoverDirectory(spool, values);
    if (values.output === undefined)
      throw new AgentError("usage", "--output is missing", {
        remedy: "as in: trace-agent recover trace.dat.spool -o trace.dat",
      });
    await runRecover(
      spool.replace(/(?<=.)\/+$/, ""),
      readOutput(values, "", values.metadata),
      readFormat(values.format),
      values.metadata === undefined ? undefined : readMetadataFile(values.metadata),
      values.remove,
    );
  },
});

/** Its files have their names. */
async function recoverDirectory(
  path: string,
  values: {
    output: string | undefined;
    metadata: string | undefined;
    group: string | undefined;
    format: string | undefined;
    remove: boolean;
  },
): Promise<void> {
  for (const option of ["output", "metadata"] as const) {
    if (values[option] === undefined) continue;
    throw new AgentError("usage", `--${option} is of one recording, and "${path}" holds those of several machines`, {
      remedy: `leave it out: the files are made in ${path}`,
    });
  }
  const how = { format: readFormat(values.format), remove: values.remove };
  await recoverSession(path, readOutput({ output: path, group: values.group }, path).group, how);
}
