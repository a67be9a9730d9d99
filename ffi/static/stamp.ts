/** Tells whether an output is what the present inputs give, from a small file beside it that a build leaves behind. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compilerVersion, findCompiler } from "./link.ts";
import type { Ingredients } from "./executable.ts";

/** A hash of every source file under the paths, and of what comes from this machine. */
export function hashInputs(paths: string[], ingredients: Ingredients, commit: string): string {
  const hash = createHash("sha256");
  for (const file of paths.flatMap(filesUnder).sort()) hash.update(`${file}\0`).update(readFileSync(file));
  const bun = statSync(ingredients.bun);
  hash.update(`${Bun.version} ${Bun.revision} ${bun.size}`);
  hash.update(ingredients.entryCode).update(compilerVersion(findCompiler(ingredients.target)));
  hash.update(JSON.stringify(ingredients.contents)).update(commit);
  return hash.digest("hex");
}

function filesUnder(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? filesUnder(join(path, entry.name)) : [join(path, entry.name)],
  );
}

export function isCurrent(outfile: string, stampFile: string, inputs: string): boolean {
  return existsSync(outfile) && existsSync(stampFile) && readFileSync(stampFile, "utf8") === stampOf(outfile, inputs);
}

export function writeStamp(outfile: string, stampFile: string, inputs: string): void {
  writeFileSync(stampFile, stampOf(outfile, inputs));
}

/** An output that somebody changed or replaced is not current either. */
function stampOf(outfile: string, inputs: string): string {
  const { size, mtimeMs } = statSync(outfile);
  return `${inputs} ${size} ${mtimeMs}\n`;
}
