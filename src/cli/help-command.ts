/** `trace-agent help [COMMAND]`: as --help of that command. */
import { type Command, makeCommand, showHelp } from "./command.ts";
import { agentEntry, knownEntries, loadCommand } from "./commands.ts";

const words = knownEntries.map(({ name }) => name);

export const helpCommand: Command = makeCommand({
  name: "help",
  description: "Show the help of the program, or of a command",
  flags: {},
  positionals: [{ name: "COMMAND", description: "As in trace-agent help record", required: false, words }],
  run: async (_, [name]) => await showHelp((await (name === undefined ? agentEntry.load() : loadCommand(name))).text),
});
