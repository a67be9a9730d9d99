/** `trace-agent export`: writes recordings for Perfetto, or as Parquet tables. */
import { AgentError, exitCodes } from "../base/errors.ts";
import { log } from "../base/log.ts";
import { print } from "../base/standard-output.ts";
import { defaultOutput, exportRecording } from "../views/export.ts";
import { type Flags, type FlagValues, makeCommand } from "./command.ts";
import { outputFlags, readOutput } from "./output-flags.ts";
import { partFlags, readParts, recordingsPositional } from "./part-flags.ts";

const flags = {
  ...outputFlags,
  output: {
    ...outputFlags.output,
    description: "Where to write it (the recording's name with .pftrace); - is stdout",
  },
  parquet: {
    type: "string",
    valueHint: "DIR",
    description:
      "Write Parquet tables below DIR instead, TABLE/date=/host=/guest=/; a second export replaces its own files",
  },
  "host-name": {
    type: "string",
    valueHint: "NAME",
    description: "Of whose host the tables, or the trace, say they are (node name in the recording)",
  },
  "guest-name": {
    type: "string",
    valueHint: "NAME",
    description: "The same of the guest of a lone FILE (its name)",
  },
  date: {
    type: "string",
    valueHint: "DAY",
    description: "The same of the UTC day of a lone FILE, as 2026-11-30 (its mtime)",
  },
  ...partFlags,
} as const satisfies Flags;

type Values = FlagValues<typeof flags>;

function namesIn(values: Values): { host?: string | undefined; guest?: string | undefined; date?: string | undefined } {
  return { host: values["host-name"], guest: values["guest-name"], date: values.date };
}

async function exportAsTables(values: Values & { parquet: string }, paths: string[]): Promise<void> {
  if (values.output !== undefined)
    throw new AgentError("usage", "cannot write both a file (-o) and tables (--parquet)", { remedy: "choose one" });
  const { exportTables } = await import("../views/export-tables.ts");
  const output = readOutput({ output: values.parquet, group: values.group }, "", ...paths);
  const request = { paths, chosen: readParts(values), output, names: namesIn(values) };
  const { isWhole, name, amount } = await exportTables(request);
  if (!isWhole) process.exitCode = exitCodes.input;
  print(`${name}: ${amount}\n`);
}

export const exportCommand = makeCommand({
  name: "export",
  description: "Write recordings as a trace for ui.perfetto.dev, or as Parquet tables",
  flags,
  groups: { "Of a fleet": ["parquet", "host-name", "guest-name", "date"] },
  examples: [
    { what: "Writes trace.pftrace", line: "trace-agent export trace.dat" },
    { what: "Tables for DuckDB, Spark, ClickHouse and others", line: "trace-agent export --parquet lake DIR" },
  ],
  positionals: [recordingsPositional],
  run: async (values, paths) => {
    if (values.parquet !== undefined) {
      await exportAsTables({ ...values, parquet: values.parquet }, paths);
      return;
    }
    const form = "perfetto";
    const output = readOutput(values, await defaultOutput(paths, form), ...paths);
    const { isWhole, name, amount, streamed } = await exportRecording({
      paths,
      chosen: readParts(values),
      form,
      names: namesIn(values),
      output,
    });
    if (!isWhole) process.exitCode = exitCodes.input;
    const text = `${name}: ${amount}`;
    // The trace may have gone to stdout.
    if (streamed) log.info(text);
    else print(`${text}\n`);
  },
});
