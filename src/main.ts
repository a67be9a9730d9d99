/** Entry: the command table, the single catch, the exit codes. */
import type { Command } from "./cli/command.ts";
import { closest } from "./cli/suggest.ts";
import { AgentError, exitCodes } from "./errors.ts";
import { log } from "./log.ts";
import { version } from "./version.ts";

/** Loaded when asked for: the agent in a guest reads nothing of the host's commands. */
const commands: Record<string, { description: string; load: () => Promise<Command> }> = {
  setup: { description: "Make a guest's FIFOs; print QEMU arguments or libvirt XML", load: async () => (await import("./cli/setup.ts")).setupCommand },
  report: { description: "Show the events of a recording as text", load: async () => (await import("./cli/report.ts")).reportCommand },
};

async function main(argv: readonly string[]): Promise<void> {
  const [first] = argv;
  if (first === "-V" || first === "--version") {
    process.stdout.write(`trace-agent ${version}\n`);
    return;
  }
  if (first === undefined || first.startsWith("-")) {
    const { agentCommand } = await import("./cli/agent.ts");
    await agentCommand.run(argv);
    if (argv.includes("-h") || argv.includes("--help")) process.stdout.write(commandList());
    return;
  }
  const entry = Object.hasOwn(commands, first) ? commands[first] : undefined;
  if (entry === undefined) {
    const near = closest(first, Object.keys(commands));
    throw new AgentError("usage", `unknown command "${first}"`, {
      remedy: near === undefined ? "see trace-agent --help" : `did you mean ${near}? See trace-agent --help`,
    });
  }
  const command = await entry.load();
  await command.run(argv.slice(1));
}

function commandList(): string {
  const names = Object.keys(commands);
  const width = Math.max(0, ...names.map((name) => name.length));
  const lines = names.map((name) => `  ${name.padEnd(width)}  ${commands[name]?.description ?? ""}`);
  return lines.length === 0 ? "" : `\nCOMMANDS (trace-agent NAME --help)\n\n${lines.join("\n")}\n`;
}

try {
  await main(process.argv.slice(2));
  process.exit(process.exitCode ?? 0);
} catch (error) {
  if (error instanceof AgentError) {
    log.error(error.text);
    process.exit(error.exitCode);
  }
  // A bug: the stack is what its finder needs to report.
  log.error(`internal error, please report it: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  process.exit(exitCodes.internal);
}
