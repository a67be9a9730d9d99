/** `trace-agent manual [COMMAND]`: a man page on stdout, for `man -l -` and for the packages. */
import { print } from "../base/standard-output.ts";
import { version } from "../base/version.ts";
import { type Command, makeCommand } from "./command.ts";
import { agentEntry, commandGroups, knownEntries, loadCommand } from "./commands.ts";
import { commandPage, programPage } from "./man-page.ts";

const words = knownEntries.map(({ name }) => name);

export const manualCommand: Command = makeCommand({
  name: "manual",
  description: "Print the man page of the program, or of a command",
  flags: {},
  positionals: [{ name: "COMMAND", description: "As in trace-agent manual record", required: false, words }],
  examples: [{ what: "Read it", line: "trace-agent manual record | man -l -" }],
  run: async (_, [name]) => {
    if (name === undefined) return print(programPage((await agentEntry.load()).text, commandGroups, version));
    const { text } = await loadCommand(name);
    const summary = knownEntries.find((entry) => entry.name === name)?.description ?? text.description;
    return print(commandPage(text, summary, version));
  },
});
