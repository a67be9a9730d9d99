/** Entry: the command table, the single catch, the exit codes. */
import type { Command } from "./cli/command.ts";
import { closest } from "./cli/suggest.ts";
import { AgentError, exitCodes } from "./errors.ts";
import { log } from "./log.ts";
import { ReaderGone } from "./standard-output.ts";
import { version } from "./version.ts";

/** Loaded when asked for: the agent in a guest reads nothing of the host's commands. */
const commands: Record<string, { description: string; load: () => Promise<Command> }> = {
  setup: { description: "Make a guest's FIFOs; print QEMU arguments or libvirt XML", load: async () => (await import("./cli/setup.ts")).setupCommand },
  record: { description: "Record a guest's events into a trace.dat", load: async () => (await import("./cli/record.ts")).recordCommand },
  start: { description: "Order a guest's agent to start", load: async () => (await import("./cli/guest-orders.ts")).startCommand },
  stop: { description: "Order a guest's agent to stop", load: async () => (await import("./cli/guest-orders.ts")).stopCommand },
  status: { description: "Show the state and the counters of a guest's agent", load: async () => (await import("./cli/guest-orders.ts")).statusCommand },
  recover: { description: "Make the trace.dat from the spool of a killed recorder", load: async () => (await import("./cli/recover.ts")).recoverCommand },
  metadata: { description: "In a guest: write what decoding its streams needs", load: async () => (await import("./cli/metadata.ts")).metadataCommand },
  stream: { description: "Show a guest's events as they happen", load: async () => (await import("./cli/stream.ts")).streamCommand },
  top: { description: "Watch what a guest's CPUs and tasks do", load: async () => (await import("./cli/top.ts")).topCommand },
  report: { description: "Show the events of a recording as text", load: async () => (await import("./cli/report.ts")).reportCommand },
  export: { description: "Write a recording for ui.perfetto.dev", load: async () => (await import("./cli/export.ts")).exportCommand },
  open: { description: "Open a recording in ui.perfetto.dev", load: async () => (await import("./cli/open.ts")).openCommand },
  check: { description: "Say what is missing, in a guest or (with GUEST) on its host", load: async () => (await import("./cli/check.ts")).checkCommand },
  licenses: { description: "List what this executable holds of others, with licences", load: async () => (await import("./cli/licenses.ts")).licensesCommand },
  install: { description: "Install this program and its service, here or into an image", load: async () => (await import("./cli/install.ts")).installCommand },
  uninstall: { description: "Undo install", load: async () => (await import("./cli/uninstall.ts")).uninstallCommand },
  "cloud-init": { description: "Make user-data for cloud-init that installs this program", load: async () => (await import("./cli/cloud-init.ts")).cloudInitCommand },
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
  // The reader of our output has seen enough, as `head` has.
  if (error instanceof ReaderGone) process.exit(0);
  if (error instanceof AgentError) {
    log.error(error.text);
    process.exit(error.exitCode);
  }
  // A bug: the stack is what its finder needs to report.
  log.error(`internal error, please report it: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  process.exit(exitCodes.internal);
}
