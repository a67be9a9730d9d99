/** What the shipped files export, or hold in classes and limits, and nothing uses; by their text, as imports.ts reads it. */
import { dirname, join } from "node:path";
import { textOf } from "./imports.ts";

const comments = /\/\*[\s\S]*?\*\/|\/\/.*$/gm;
const exported = /^export (?:abstract )?(?:async )?(const|let|function\*?|class|enum|type|interface) (\w+)/gm;
/** A method, accessor or field of a class that is not private by its name, and what it is called. */
const member = /^ {2}(?:(?:static|readonly|async|override|get|set) )*\*?([a-z]\w*)(?:\(|[?!]?: | = |;)/gm;
/** A key of an object of limits. */
const limit = /^ {2}(\w+): /gm;
const notMembers = new Set(["constructor", "if", "for", "while", "switch", "return", "throw"]);

/** By the file: each is asked for several times. */
const codes = new Map<string, string>();

function codeOf(file: string): string {
  let code = codes.get(file);
  if (code === undefined) codes.set(file, (code = textOf(file).replaceAll(comments, "")));
  return code;
}

const countedWords = new Map<string, Map<string, number>>();

/** How often each word stands in a file; a private name is another word than the public one. */
function wordsOf(file: string): Map<string, number> {
  let words = countedWords.get(file);
  if (words !== undefined) return words;
  countedWords.set(file, (words = new Map()));
  for (const [word] of codeOf(file).matchAll(/#?[A-Za-z_$][\w$]*/g)) words.set(word, (words.get(word) ?? 0) + 1);
  return words;
}

/** "FILE NAME" of what `file` imports by name of our files; "FILE *" where it imports all of one. */
function importedBy(file: string): string[] {
  const code = codeOf(file);
  const at = (specifier: string): string => join(dirname(file), specifier);
  const named = [...code.matchAll(/(?:import|export) (?:type )?\{([^}]*)\} from "(\.[^"]+)"/g)].flatMap(
    ([, names = "", specifier = ""]) =>
      names
        .split(",")
        .map((name) =>
          name
            .trim()
            .replace(/^type /, "")
            .replace(/ as .*$/, ""),
        )
        .filter((name) => name !== "")
        .map((name) => `${at(specifier)} ${name}`),
  );
  const whole = [...code.matchAll(/(?:import \* as \w+ from |\bimport\()"(\.[^"]+)"/g)].map(
    ([, specifier = ""]) => `${at(specifier)} *`,
  );
  return [...named, ...whole];
}

/** Values that `files` export and no other of `users` imports; types that their own file does not use either. */
export function unusedExports(files: readonly string[], users: readonly string[]): string[] {
  const importers = new Map<string, string[]>();
  for (const user of users)
    for (const name of importedBy(user)) importers.set(name, [...(importers.get(name) ?? []), user]);
  return files.flatMap((file) => {
    const othersOf = (name: string): string[] =>
      (importers.get(`${file} ${name}`) ?? []).filter((user) => user !== file);
    const isUsed = (name: string): boolean =>
      othersOf(name).length > 0 || othersOf("*").some((user) => wordsOf(user).has(name));
    return [...codeOf(file).matchAll(exported)].flatMap(([, kind = "", name = ""]) => {
      const isType = kind === "type" || kind === "interface";
      if (isUsed(name) || (isType && (wordsOf(file).get(name) ?? 0) > 1)) return [];
      return [`${file}: ${name}`];
    });
  });
}

/** Members of classes, and limits, whose name stands nowhere but where they are made. */
export function unusedMembers(files: readonly string[]): string[] {
  const uses = new Map<string, number>();
  for (const words of files.map(wordsOf))
    for (const [word, count] of words) uses.set(word, (uses.get(word) ?? 0) + count);
  return files.flatMap((file) => {
    const names = file.endsWith("/limits.ts") ? namesIn(codeOf(file), limit) : membersIn(codeOf(file));
    return names.filter((name) => (uses.get(name) ?? 0) <= 1).map((name) => `${file}: ${name}`);
  });
}

function membersIn(code: string): string[] {
  // A class ends with the first brace at the beginning of a line.
  const classes = [...code.matchAll(/^(?:export )?(?:abstract )?class [^{]*\{([\s\S]*?)^\}/gm)];
  return classes.flatMap(([, body = ""]) => namesIn(body, member)).filter((name) => !notMembers.has(name));
}

function namesIn(code: string, pattern: RegExp): string[] {
  return [...code.matchAll(pattern)].map(([, name = ""]) => name);
}
