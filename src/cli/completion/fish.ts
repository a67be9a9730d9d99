/** The completions for fish. */
import type { CommandText, Flag } from "../command.ts";
import { brief, type CompletionTable, type Kind, kindOfPositional, kindOfValue } from "./table.ts";

export function fishCompletion({ program, commands, guestsDirectory }: CompletionTable): string {
  const first = "'__trace_agent_is'";
  return `# fish completion for trace-agent; printed by "trace-agent completion fish"

# [COMMAND]: whether that command stands before; without one, whether none does.
function __trace_agent_is
    set -l words (commandline -opc)
    set -e words[1]
    if not set -q argv[1]
        not set -q words[1]; or string match -q -- '-*' $words[1]
    else
        set -q words[1]; and test "$words[1]" = $argv[1]
    end
end

function __trace_agent_guests
    for path in ${quoted(guestsDirectory)}/*/
        path basename -- $path 2>/dev/null; or basename -- $path
    end
    string match -q -- '*/*' (commandline -ct); and __fish_complete_directories (commandline -ct)
end

complete -c trace-agent -f
${commands.map(({ name, description }) => `complete -c trace-agent -n ${first} -a ${name} -d ${quoted(brief(description))}`).join("\n")}
${[program, ...commands].map(commandLines).join("\n")}
`;
}

function commandLines(text: CommandText): string {
  const condition = text.name === "" ? "'__trace_agent_is'" : `'__trace_agent_is ${text.name}'`;
  const begin = `complete -c trace-agent -n ${condition}`;
  const lines = Object.entries(text.flags).map(([name, flag]) => `${begin} ${flagWords(name, flag)}`);
  const [positional] = text.positionals ?? [];
  if (positional !== undefined) lines.push(...positionalLine(begin, kindOfPositional(positional)));
  if (text.rest !== undefined) lines.push(`${begin} -F`);
  return lines.join("\n");
}

function positionalLine(begin: string, kind: Kind): string[] {
  if (kind === "none") return [];
  return [`${begin} ${kind === "file" ? "-F" : argumentsOf(kind)}`];
}

function flagWords(name: string, flag: Flag): string {
  const kind = kindOfValue(flag);
  const short = flag.short === undefined ? "" : `-s ${flag.short} `;
  const value = kind === undefined ? "" : kind === "file" ? "-r -F " : `-x ${argumentsOf(kind)} `;
  return `${short}-l ${name} ${value}-d ${quoted(brief(flag.description))}`;
}

function argumentsOf(kind: Kind): string {
  if (typeof kind !== "string") return `-a ${quoted(kind.words.join(" "))}`;
  const lists = {
    none: "",
    file: "",
    directory: "'(__fish_complete_directories (commandline -ct))'",
    guest: "'(__trace_agent_guests)'",
    group: "'(__fish_complete_groups)'",
    command: "'(__fish_complete_command)'",
  };
  return lists[kind] === "" ? "" : `-a ${lists[kind]}`;
}

/** In fish's single quotes a backslash escapes quotes and itself. */
function quoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, "\\$&")}'`;
}
