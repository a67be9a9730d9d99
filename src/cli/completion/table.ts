/** What the completions of all shells are made from. */
import type { CommandText, Flag, Positional } from "../command.ts";

export type CompletionTable = { program: CommandText; commands: readonly CommandText[]; guestsDirectory: string };

/** What completes a word: nothing of ours, one of these words, or what the shell or the machine knows. */
export type Kind = "none" | "file" | "directory" | "guest" | "group" | "command" | { words: readonly string[] };

/** Of an option's value; undefined for an option that needs none. */
export function kindOfValue({ type, valueHint = "", words, optional }: Flag): Kind | undefined {
  if (type === "boolean" || optional !== undefined) return undefined;
  if (words !== undefined) return { words };
  if (valueHint.includes("|")) return { words: valueHint.split("|") };
  if (valueHint.startsWith("FILE")) return "file";
  if (valueHint === "DIR") return "directory";
  return valueHint === "GROUP" ? "group" : "none";
}

export function kindOfPositional(positional: Positional | undefined): Kind {
  if (positional?.words !== undefined) return { words: positional.words };
  switch (positional?.name) {
    case "GUEST":
      return "guest";
    case "FILE":
    case "DIR|FILE":
    case "FILE|DIR":
      return "file";
    case "SPOOL":
      return "directory";
    default:
      return "none";
  }
}

/** In a string of a shell: 'it'\''s'. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The first sentence of a description: a menu has one line for it. */
export function brief(description: string): string {
  return description.replace(/[:;].*/s, "");
}
