/**
 * Runs commands as src/main.ts does, one after the other, where what they say is the subject and the executable's start is not:
 * bun run-commands.ts MARK FILE. The file holds a list of argument lists in JSON; on stderr MARK, and the exit code, come behind
 * what each said.
 */
import { readFileSync, writeSync } from "node:fs";
import { AgentError, exitCodes } from "../../src/base/errors.ts";
import { log } from "../../src/base/log.ts";
import { runProgram } from "../../src/cli/commands.ts";

async function codeOf(argv: readonly string[]): Promise<number> {
  process.exitCode = 0;
  try {
    await runProgram(argv);
    return process.exitCode;
  } catch (error) {
    if (!(error instanceof AgentError)) log.error(`internal error: ${String(error)}`);
    else if (!error.told) log.error(error.text);
    return error instanceof AgentError ? error.exitCode : exitCodes.internal;
  }
}

const [mark = "", file = ""] = process.argv.slice(2);
for (const argv of JSON.parse(readFileSync(file, "utf8")) as string[][]) writeSync(2, `${mark}${await codeOf(argv)}\n`);
process.exit(0);
