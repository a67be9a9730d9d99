/** `trace-agent completion SHELL`: a completion script on stdout. */
import { AgentError } from "../base/errors.ts";
import { print } from "../base/standard-output.ts";
import { guestsDirectory } from "../host/guest-directory.ts";
import { type Command, makeCommand } from "./command.ts";
import { agentEntry, knownEntries } from "./commands.ts";
import { bashCompletion } from "./completion/bash.ts";
import { fishCompletion } from "./completion/fish.ts";
import type { CompletionTable } from "./completion/table.ts";
import { zshCompletion } from "./completion/zsh.ts";

const shells: Record<string, (table: CompletionTable) => string> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};
const words = Object.keys(shells);

export const completionCommand: Command = makeCommand({
  name: "completion",
  description: "Print the script with which a shell completes commands, options, files and guests",
  flags: {},
  positionals: [{ name: "SHELL", description: words.join(", "), words }],
  examples: [
    { what: "In this bash", line: "source <(trace-agent completion bash)" },
    {
      what: "For zsh, in a directory of its fpath",
      line: "trace-agent completion zsh > /usr/local/share/zsh/site-functions/_trace-agent",
    },
    {
      what: "For fish",
      line: "trace-agent completion fish > ~/.config/fish/completions/trace-agent.fish",
    },
  ],
  run: async (_, [shell = ""]) => {
    const make = Object.hasOwn(shells, shell) ? shells[shell] : undefined;
    if (make === undefined)
      throw new AgentError("usage", `cannot complete for shell "${shell}"`, { remedy: `use ${words.join(", ")}` });
    const program = (await agentEntry.load()).text;
    const commands = await Promise.all(
      knownEntries.map(async ({ load, description }) => Object.assign({}, (await load()).text, { description })),
    );
    print(make({ program, commands, guestsDirectory }));
  },
});
