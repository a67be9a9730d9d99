/**
 * The linter, as a program of the gate: `bun lint.ts`. What it found nothing in is kept: a file is read again when it changed, or
 * anything that it imports, itself or through others, for the rules go by types; and all are, when the rules or the tools changed.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { importsOf, projectFolder, textOf } from "../imports.ts";

const linter = ["node_modules/.bin/oxlint", "-c", ".ci/oxlint.json", "--type-aware", "--deny-warnings"];
const stampFile = "dist/.stamps/linter";
/** What counts for all files. */
const rules = [".ci/oxlint.json", "package-lock.json"];

/** By file, a hash of all that its findings depend on. */
export function lintHashes(
  files: readonly string[],
  textOfFile: (file: string) => string,
  importsOfFile: (file: string) => readonly string[],
  common: string,
): Map<string, string> {
  const hashes = new Map<string, string>();
  const hashOf = (file: string): string => {
    let hash = hashes.get(file);
    if (hash === undefined) hashes.set(file, (hash = createHash("sha256").update(textOfFile(file)).digest("hex")));
    return hash;
  };
  return new Map(
    files.map((file) => {
      const reached = [...reachedBy(file, importsOfFile)].sort().map((one) => `${one} ${hashOf(one)}`);
      return [file, createHash("sha256").update(common).update(reached.join("\n")).digest("hex")];
    }),
  );
}

/** The file itself, and what it imports. */
function reachedBy(file: string, importsOfFile: (file: string) => readonly string[]): Set<string> {
  const reached = new Set<string>();
  const next = [file];
  for (let one = next.pop(); one !== undefined; one = next.pop()) {
    if (reached.has(one)) continue;
    reached.add(one);
    next.push(...importsOfFile(one));
  }
  return reached;
}

function readStamp(): Record<string, string> {
  try {
    return JSON.parse(readFileSync(stampFile, "utf8")) as Record<string, string>;
  } catch {
    return {};
  }
}

async function main(): Promise<number> {
  process.chdir(projectFolder);
  const found = await Array.fromAsync(new Bun.Glob("**/*.{ts,tsx,js,jsx,mts,cts,mjs,cjs}").scan({ dot: true }));
  const files = found.filter((file) => !/^(?:dist|node_modules|\.git)\//.test(file)).sort();
  const settings = (await Array.fromAsync(new Bun.Glob("{,src/**/}tsconfig*.json").scan())).sort();
  // Declarations count without being imported.
  const common = [...rules, ...settings, ...files.filter((file) => file.endsWith(".d.ts"))].map(textOf).join("\0");
  const hashes = lintHashes(files, textOf, importsOf, common + linter.join(" "));
  const clean = readStamp();
  const changed = files.filter((file) => clean[file] !== hashes.get(file));
  console.log(`linter: ${changed.length} of ${files.length} files`);
  if (changed.length === 0) return 0;
  // Without names it takes all that there are.
  const { exitCode } = Bun.spawnSync([...linter, ...(changed.length < files.length ? changed : [])], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (exitCode === 0) {
    mkdirSync(dirname(join(projectFolder, stampFile)), { recursive: true });
    writeFileSync(stampFile, JSON.stringify(Object.fromEntries(hashes)));
  }
  return exitCode;
}

if (import.meta.main) process.exitCode = await main();
