/** Which of our files a file imports, by its text. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

export const projectFolder = resolve(import.meta.dir, "../..");

/** All files with that ending under a folder of the project, as paths from its top. */
export function filesUnder(folder: string, ending: string): string[] {
  return readdirSync(join(projectFolder, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(ending))
    .map((path) => join(folder, path))
    .sort();
}

export function textOf(file: string): string {
  return readFileSync(join(projectFolder, file), "utf8");
}

const importPattern = /(?:\bfrom|\bimport|\bimport\(|new URL\()\s*"([^"]+)"/g;

/** What the file imports, as written: "./x.ts", "node:fs", "valibot". */
export function specifiersOf(file: string): string[] {
  return [...textOf(file).matchAll(importPattern)].map(([, specifier]) => specifier ?? "");
}

/** The project's own files among them, as paths from its top. */
export function importsOf(file: string): string[] {
  let found = imports.get(file);
  if (found === undefined) {
    found = specifiersOf(file)
      .filter((specifier) => specifier.startsWith("."))
      .map((specifier) => join(dirname(file), specifier))
      .filter((path) => path.endsWith(".ts") && existsSync(join(projectFolder, path)));
    imports.set(file, found);
  }
  return found;
}

/** By the file: many are reached on many ways. No process lives long enough to see one change. */
const imports = new Map<string, string[]>();

/** Whether the file imports one of `wanted`, itself or through others. */
export function reaches(file: string, wanted: readonly string[], seen = new Set<string>()): boolean {
  if (wanted.includes(file)) return true;
  if (seen.has(file)) return false;
  seen.add(file);
  return importsOf(file).some((path) => reaches(path, wanted, seen));
}
