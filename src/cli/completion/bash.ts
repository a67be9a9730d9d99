/** The completions for bash: of 4.4 and later, with or without the bash-completion package. */
import type { CommandText } from "../command.ts";
import { type CompletionTable, type Kind, kindOfPositional, kindOfValue, quoted } from "./table.ts";

export function bashCompletion({ program, commands, guestsDirectory }: CompletionTable): string {
  const names = commands.map(({ name }) => name);
  return `# bash completion for trace-agent; printed by "trace-agent completion bash"

# WORD KIND [WORDS...]: the completions of a word.
_trace_agent_reply() {
  local word=$1 kind=$2 path
  shift 2
  case $kind in
    file) mapfile -t COMPREPLY < <(compgen -f -- "$word"); compopt -o filenames ;;
    directory) mapfile -t COMPREPLY < <(compgen -d -- "$word"); compopt -o filenames ;;
    group) mapfile -t COMPREPLY < <(compgen -g -- "$word") ;;
    command) mapfile -t COMPREPLY < <(compgen -c -- "$word") ;;
    words) mapfile -t COMPREPLY < <(compgen -W "$*" -- "$word") ;;
    guest)
      if [[ $word == */* ]]; then
        _trace_agent_reply "$word" directory
        return
      fi
      for path in ${quoted(guestsDirectory)}/*/; do
        path=\${path%/}
        path=\${path##*/}
        [[ -d ${quoted(guestsDirectory)}/$path && $path == "$word"* ]] && COMPREPLY+=("$(printf %q "$path")")
      done
      ;;
  esac
}

_trace_agent() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]} command= kind= i
  COMPREPLY=()
  # --option=value comes in three words.
  if [[ $word == "=" ]]; then
    word=
  elif [[ $before == "=" ]] && ((COMP_CWORD > 2)); then
    before=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  ((COMP_CWORD > 1)) && [[ \${COMP_WORDS[1]} != -* ]] && command=\${COMP_WORDS[1]}
  local -a options=() positional=(none)
  case $command in
${[program, ...commands].map((text) => commandCase(text, names)).join("\n")}
  esac
  if [[ -n $kind ]]; then
    _trace_agent_reply "$word" $kind
  elif [[ $word == -* ]]; then
    _trace_agent_reply "$word" words "\${options[@]}"
  else
    _trace_agent_reply "$word" "\${positional[@]}"
  fi
}

complete -F _trace_agent trace-agent
`;
}

function commandCase(text: CommandText, names: readonly string[]): string {
  const flags = Object.entries(text.flags);
  const forms = flags.flatMap(([name, { short }]) => [...(short === undefined ? [] : [`-${short}`]), `--${name}`]);
  const values = flags.flatMap(([name, flag]) => {
    const kind = kindOfValue(flag);
    const patterns = [...(flag.short === undefined ? [] : [`-${flag.short}`]), `--${name}`].join(" | ");
    return kind === undefined ? [] : [`        ${patterns}) kind="${kindWords(kind)}" ;;`];
  });
  // The first word may be a command; behind options of the agent there is none.
  const isProgram = text.name === "";
  const positional = isProgram ? kindWords({ words: names }) : kindWords(kindOfPositional(text.positionals?.[0]));
  const lines = [
    `options=(${forms.join(" ")})`,
    isProgram ? `((COMP_CWORD == 1)) && positional=(${positional})` : `positional=(${positional})`,
    ...(values.length === 0 ? [] : ["case $before in", ...values.map((line) => line.slice(6)), "esac"]),
    ...(text.rest === undefined
      ? []
      : [
          "for ((i = 2; i < COMP_CWORD; i++)); do",
          "  [[ ${COMP_WORDS[i]} == -- ]] && { kind=file; ((i + 1 == COMP_CWORD)) && kind=command; break; }",
          "done",
        ]),
  ];
  return [`    ${isProgram ? '""' : text.name})`, ...lines.map((line) => `      ${line}`), "      ;;"].join("\n");
}

/** None of the words has a letter that a shell reads otherwise. */
function kindWords(kind: Kind): string {
  return typeof kind === "string" ? kind : `words ${kind.words.join(" ")}`;
}
