/** The help of the program and of its commands, at most 80 columns wide. */
import {
  type CommandText,
  type Example,
  type Flag,
  type Flags,
  type Positional,
  programName,
  titleOf,
} from "./command.ts";
import type { CommandGroup } from "./commands.ts";

const columns = 80;
/** Where descriptions begin, and the first part of a line that is too long to have one behind it. */
const descriptionColumn = 28;

export function commandHelp(text: CommandText): string {
  const positionals = argumentsOf(text);
  return [
    ...wrapped(text.description, ""),
    "",
    ...wrapped(`Usage: ${synopsis(text)}`, "       ", ""),
    ...(positionals.length === 0
      ? []
      : ["", "Arguments:", ...positionals.flatMap((one) => item(one.name, one.description))]),
    ...optionLines(text, "Options"),
    ...exampleLines(text.examples),
    "",
  ].join("\n");
}

export function programHelp(text: CommandText, groups: readonly CommandGroup[]): string {
  return [
    ...wrapped(programDescription, ""),
    "",
    `Usage: ${programName} [OPTIONS]              in a guest, as root: the agent`,
    `       ${programName} COMMAND [OPTIONS] ...  all else: see ${programName} help COMMAND`,
    ...groups.flatMap(({ title, entries }) => [
      "",
      `${title}:`,
      ...entries.flatMap(({ name, description }) => item(name, description, 14)),
    ]),
    ...optionLines(text, "Options of the agent"),
    ...exampleLines(text.examples),
    "",
  ].join("\n");
}

export const programDescription =
  "Records what the kernel of a VM guest does (ftrace) on its host, over virtio-serial ports. The same program is the agent in the guest and all that the host needs.";

function synopsis(text: CommandText): string {
  const words = argumentsOf({ ...text, rest: undefined }).map(argumentForm);
  const rest = text.rest === undefined ? [] : [`[-- ${text.rest.name} ...]`];
  return [titleOf(text), "[OPTIONS]", ...words, ...rest].join(" ");
}

function argumentForm({ name, required, rest }: Positional): string {
  const word = rest === true ? `${name} ...` : name;
  return required === false ? `[${word}]` : word;
}

export function argumentsOf({
  positionals = [],
  rest,
}: Pick<CommandText, "positionals"> & { rest?: Positional | undefined }): Positional[] {
  return rest === undefined ? [...positionals] : [...positionals, rest];
}

/** The options by heading, in the order of the headings; those under none come last. */
export function optionGroups({ flags, groups = {} }: CommandText, others: string): [string, [string, Flag][]][] {
  const grouped = new Set(Object.values(groups).flat());
  const left = Object.keys(flags).filter((name) => !grouped.has(name));
  const named = Object.keys(groups).length === 0 ? others : `Other ${others.toLowerCase()}`;
  return [...Object.entries(groups), [named, left] as const].map(([title, names]) => [title, pick(flags, names)]);
}

function pick(flags: Flags, names: readonly string[]): [string, Flag][] {
  return names.flatMap((name) => (flags[name] === undefined ? [] : [[name, flags[name]]]));
}

/** As in "-e, --event EVENT ...". */
function optionForm(name: string, flag: Flag): string {
  const letter = flag.short === undefined ? "    " : `-${flag.short}, `;
  return `${letter}--${name}${flag.valueHint === undefined ? "" : ` ${valueForm(flag)}`}`;
}

/** Dots for what may be given more than once, brackets for what may be left out. */
export function valueForm({ valueHint = "", multiple, optional }: Flag): string {
  if (optional !== undefined) return `[${valueHint}]`;
  return multiple === true ? `${valueHint} ...` : valueHint;
}

function optionLines(text: CommandText, others: string): string[] {
  return optionGroups(text, others).flatMap(([title, flags]) =>
    ["", `${title}:`].concat(...flags.map(([name, flag]) => item(optionForm(name, flag), flag.description))),
  );
}

function exampleLines(examples: readonly Example[] = []): string[] {
  if (examples.length === 0) return [];
  return [
    "",
    "Examples:",
    ...examples.flatMap(({ what, line }) => [...(what === undefined ? [] : [`  # ${what}`]), `  ${line}`]),
  ];
}

/** A word and its description, beside it or below. */
function item(word: string, description: string, column = descriptionColumn): string[] {
  const lines = wrapped(description, " ".repeat(column));
  const head = `  ${word}`;
  if (head.length > column - 2) return [head, ...lines];
  const [first = "", ...others] = lines;
  return [`${head.padEnd(column)}${first.slice(column)}`, ...others];
}

/** Lines of whole words; a word that is longer than a line stands alone. */
function wrapped(text: string, indent: string, first = indent): string[] {
  const lines: string[] = [];
  let line = first;
  let isEmpty = true;
  for (const word of text.split(" ")) {
    if (!isEmpty && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = indent;
      isEmpty = true;
    }
    line += isEmpty ? word : ` ${word}`;
    isEmpty = false;
  }
  return [...lines, line];
}
