/** The completions for zsh, by its _arguments. */
import type { CommandText, Flag } from "../command.ts";
import { brief, type CompletionTable, type Kind, kindOfPositional, kindOfValue, quoted } from "./table.ts";

export function zshCompletion({ program, commands, guestsDirectory }: CompletionTable): string {
  return `#compdef trace-agent
# zsh completion for trace-agent; printed by "trace-agent completion zsh"

_trace-agent_guests() {
  if [[ $PREFIX == */* ]]; then
    _files -/
  else
    local -a guests
    guests=(${quoted(guestsDirectory)}/*(/N:t))
    _wanted guests expl guest compadd -a guests
  fi
}

${[program, ...commands].map(commandFunction).join("\n")}
_trace-agent() {
  local -a known
  known=(
${commands.map(({ name, description }) => `    ${quoted(`${name}:${brief(description)}`)}`).join("\n")}
  )
  if ((CURRENT == 2)) && [[ $words[2] != -* ]]; then
    _describe command known
  elif [[ $words[2] == -* ]]; then
    _trace-agent_
  elif (($+functions[_trace-agent_$words[2]])); then
    local command=$words[2]
    shift words
    ((CURRENT--))
    _trace-agent_$command
  fi
}

# Read by "source", or by compinit at the first completion.
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _trace-agent "$@"
else
  compdef _trace-agent trace-agent
fi
`;
}

function commandFunction(text: CommandText): string {
  const specs = Object.entries(text.flags).map(([name, flag]) => flagSpec(name, flag));
  const positional = text.positionals?.[0];
  if (positional !== undefined) {
    const prefix = positional.rest === true ? "*" : "1";
    specs.push(quoted(`${prefix}:${positional.name}:${action(kindOfPositional(positional))}`));
  }
  const rest =
    text.rest === undefined
      ? ""
      : `  local end=\${words[(ie)--]}
  if ((end < CURRENT)); then
    shift end words
    ((CURRENT -= end))
    if ((CURRENT == 1)); then _command_names -e; else _normal; fi
    return
  fi
`;
  return `_trace-agent_${text.name}() {
${rest}  _arguments -s -S ${specs.map((spec) => `\\\n    ${spec}`).join(" ")}
}
`;
}

function flagSpec(name: string, flag: Flag): string {
  const kind = kindOfValue(flag);
  const value = kind === undefined ? "" : `:${escaped(flag.valueHint ?? "value")}:${action(kind)}`;
  const text = `[${escaped(brief(flag.description))}]${value}`;
  const long = kind === undefined ? `--${name}` : `--${name}=`;
  const letter = kind === undefined ? `-${flag.short}` : `-${flag.short}+`;
  if (flag.multiple === true)
    return flag.short === undefined ? quoted(`*${long}${text}`) : `'*'{${letter},${long}}${quoted(text)}`;
  if (flag.short === undefined) return quoted(`${long}${text}`);
  return `'(-${flag.short} --${name})'{${letter},${long}}${quoted(text)}`;
}

function action(kind: Kind): string {
  if (typeof kind !== "string") return `(${kind.words.join(" ")})`;
  const actions = {
    none: "",
    file: "_files",
    directory: "_files -/",
    guest: "_trace-agent_guests",
    group: "_groups",
    command: "_command_names -e",
  };
  return actions[kind];
}

function escaped(text: string): string {
  return text.replaceAll(/[\\[\]:]/g, "\\$&");
}
