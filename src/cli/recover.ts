/** `trace-agent recover SPOOL -o FILE`: the file of a recorder that was killed. */
import { AgentError } from "../errors.ts";
import { runRecover } from "../host/run-record.ts";
import { makeCommand } from "./command.ts";
import { readFormat, readMetadataFile } from "./record.ts";

export const recoverCommand = makeCommand({
  name: "recover",
  description: "Make the trace.dat from the spool that a killed recorder left",
  flags: {
    output: { type: "string", short: "o", valueHint: "FILE", description: "The file to write" },
    format: { type: "string", valueHint: "v6|v7", description: "Version of the file; v7 is compressed (v6)" },
    metadata: { type: "string", valueHint: "FILE", description: "What trace-agent metadata wrote in the guest" },
  },
  positionals: [{ name: "SPOOL", description: "The directory FILE.spool" }],
  run: ({ output, format, metadata }, [spool = ""]) => {
    if (output === undefined) throw new AgentError("usage", "--output is missing", { remedy: "as in: trace-agent recover trace.dat.spool -o trace.dat" });
    runRecover(spool.replace(/\/+$/, ""), output, readFormat(format), metadata === undefined ? undefined : readMetadataFile(metadata));
  },
});
