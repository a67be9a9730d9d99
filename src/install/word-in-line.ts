/** Adds a word to a line of a foreign file, and removes it again. A file without that line is not changed. */
import type { ImageRoot, Outcome } from "./image-root.ts";
import type { ServiceFiles } from "./service-files.ts";

export type WordInLine = NonNullable<ServiceFiles["words"]>[number];

const mode = 0o644;

export function addWord(root: ImageRoot, { path, line, word }: WordInLine): Outcome {
  return change(root, path, line, (words) => (words.includes(word) ? words : [...words, word]));
}

export function removeWord(root: ImageRoot, { path, line, word }: WordInLine): void {
  change(root, path, line, (words) => words.filter((other) => other !== word));
}

/** The first line that begins with `start`; words follow it, each after a space. */
function change(root: ImageRoot, path: string, start: string, edit: (words: string[]) => string[]): Outcome {
  const lines = root.read(path).split("\n");
  const at = lines.findIndex((text) => text.startsWith(start));
  const words =
    lines[at]
      ?.slice(start.length)
      .split(" ")
      .filter((word) => word !== "") ?? [];
  const edited = edit(words);
  if (at < 0 || edited.length === words.length) return "unchanged";
  return root.write(path, lines.with(at, [start, ...edited].join(" ")).join("\n"), mode);
}
