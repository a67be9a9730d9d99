/** Man pages of the program and of its commands, in the man(7) macros. */
import { exitCodes } from "../base/errors.ts";
import { guestsDirectory } from "../host/guest-directory.ts";
import { type CommandText, type Flag, programName, titleOf } from "./command.ts";
import type { CommandGroup } from "./commands.ts";
import { argumentsOf, optionGroups, programDescription, valueForm } from "./help.ts";

/** What each code of errors.ts means. */
const exitMeanings: readonly (readonly [number, string])[] = [
  [exitCodes.usage, "Usage: an option or an argument is wrong."],
  [exitCodes.input, "An input file is damaged or of another kind."],
  [exitCodes.unavailable, "tracefs, a guest or a port is not available."],
  [exitCodes.internal, "A bug: please report it."],
  [exitCodes.io, "I/O, or a recording that is incomplete or cannot be shown to be complete."],
  [exitCodes.permission, "Permission."],
];

/** `summary`: what the list of commands says of it. */
export function commandPage(text: CommandText, summary: string, version: string): string {
  return [
    ...head(pageName(text), version),
    `${escaped(pageName(text))} \\- ${escaped(`${summary.charAt(0).toLowerCase()}${summary.slice(1)}`)}`,
    ...synopsisOf(text),
    ".SH DESCRIPTION",
    `${escaped(text.description)}.`,
    ...argumentLines(text),
    ...optionsOf(text, "Options"),
    ...endOf(text, [programName]),
  ].join("\n");
}

export function programPage(text: CommandText, groups: readonly CommandGroup[], version: string): string {
  const names = groups.flatMap(({ entries }) => entries.map(({ name }) => `${programName}-${name}`));
  return [
    ...head(programName, version),
    `${programName} \\- record what the kernel of a VM guest does, over virtio\\-serial`,
    ...synopsisOf(text),
    ".br",
    `\\fB${programName}\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR] ...`,
    ".SH DESCRIPTION",
    escaped(programDescription),
    ".PP",
    "Without a command, in a guest as root, it is the agent: it waits for the host's orders.",
    ".SH COMMANDS",
    ...groups.flatMap(({ title, entries }) => [
      `.SS ${escaped(title)}`,
      ...entries.flatMap(({ name, description }) => [".TP 14", `\\fB${escaped(name)}\\fR`, escaped(description)]),
    ]),
    ...optionsOf(text, "Options of the agent"),
    ...endOf(text, [...names, "trace-cmd"]),
  ].join("\n");
}

function pageName(text: CommandText): string {
  return titleOf(text).replace(" ", "-");
}

function head(name: string, version: string): string[] {
  // No date: the same commit gives the same bytes.
  return [
    `.TH ${escaped(name.toUpperCase())} 1 "" "${programName} ${escaped(version)}" "${programName}"`,
    ".ad l",
    ".nh",
    ".SH NAME",
  ];
}

function synopsisOf(text: CommandText): string[] {
  const words = (text.positionals ?? []).map(({ name, required, rest }) => {
    const word = `\\fI${escaped(name)}\\fR${rest === true ? " ..." : ""}`;
    return required === false ? `[${word}]` : word;
  });
  const rest = text.rest === undefined ? [] : [`[\\-\\- \\fI${escaped(text.rest.name)}\\fR ...]`];
  return [".SH SYNOPSIS", [`\\fB${escaped(titleOf(text))}\\fR`, "[\\fIOPTIONS\\fR]", ...words, ...rest].join(" ")];
}

function argumentLines(text: CommandText): string[] {
  return argumentsOf(text).flatMap(({ name, description }) => [
    ".TP",
    `\\fI${escaped(name)}\\fR`,
    `${escaped(description)}.`,
  ]);
}

function optionsOf(text: CommandText, others: string): string[] {
  const groups = optionGroups(text, others);
  return [
    ".SH OPTIONS",
    ...groups.flatMap(([title, flags]) =>
      (groups.length === 1 ? [] : [`.SS ${escaped(title)}`]).concat(
        ...flags.map(([name, flag]) => [".TP", optionHead(name, flag), `${escaped(flag.description)}.`]),
      ),
    ),
  ];
}

function optionHead(name: string, flag: Flag): string {
  const { short, valueHint } = flag;
  const value = valueHint === undefined ? "" : ` \\fI${escaped(valueForm(flag))}\\fR`;
  return `${short === undefined ? "" : `\\fB\\-${short}\\fR, `}\\fB\\-\\-${escaped(name)}\\fR${value}`;
}

function endOf({ examples = [] }: CommandText, others: readonly string[]): string[] {
  return [
    ...(examples.length === 0 ? [] : [".SH EXAMPLES"]),
    ...examples.flatMap(({ what, line }) => [
      ...(what === undefined ? [] : [".PP", `${escaped(what)}:`]),
      ".PP",
      ".RS 4",
      ".nf",
      escaped(line),
      ".fi",
      ".RE",
    ]),
    ".SH EXIT STATUS",
    ".TP",
    "0",
    "Done, also after SIGTERM and SIGINT.",
    ...exitMeanings.flatMap(([code, meaning]) => [".TP", `${code}`, meaning]),
    ".SH FILES",
    ".TP",
    `\\fI${escaped(guestsDirectory)}/GUEST\\fR`,
    "The host's ends of a guest's ports.",
    ".SH SEE ALSO",
    others.map((name) => `\\fB${escaped(name)}\\fR(1)`).join(",\n"),
    "",
  ];
}

/** Text for roff: no control line, no escape, and minus signs that can be copied. */
function escaped(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("'", "\\(aq")
    .replaceAll("^", "\\(ha")
    .replaceAll("~", "\\(ti")
    .replaceAll(
      /[^\x20-\x7e]/gu,
      (letter) => `\\[u${(letter.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}]`,
    )
    .replace(/^\./, "\\&.");
}
