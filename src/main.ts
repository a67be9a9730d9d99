/** Entry: which command it is, the single catch, the exit codes. */
import { AgentError, exitCodes } from "./base/errors.ts";
import { log } from "./base/log.ts";
import { ReaderGone } from "./base/standard-output.ts";

/** Without a command it is the agent, which loads nothing of the commands. */
async function main(argv: readonly string[]): Promise<void> {
  const [first] = argv;
  if (first === undefined || first.startsWith("-")) await (await import("./cli/agent.ts")).agentCommand.run(argv);
  else await (await import("./cli/commands.ts")).runProgram(argv);
}

try {
  await main(process.argv.slice(2));
  process.exit(process.exitCode ?? 0);
} catch (error) {
  // The reader of our output has seen enough, as `head` has.
  if (error instanceof ReaderGone) process.exit(0);
  if (error instanceof AgentError) {
    if (!error.told) log.error(error.text);
    process.exit(error.exitCode);
  }
  // A bug: the stack is what its finder needs to report.
  log.error(
    `internal error, please report it: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
  );
  process.exit(exitCodes.internal);
}
