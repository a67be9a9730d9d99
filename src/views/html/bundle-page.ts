/**
 * The page's own code and style as texts. These functions are macros: the bundler calls them and puts what they return in the place of
 * the call, so the executable holds the texts and nothing of this file; tests, which run from source, call them as they start.
 */
import { readFileSync } from "node:fs";

const folder = `${import.meta.dir}/page`;

export function bundledScript(): string {
  const command = [process.execPath, "build", "--minify", "--target=browser", `${folder}/main.ts`];
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { env: { ...process.env, BUN_BE_BUN: "1" } });
  if (exitCode !== 0) throw new Error(`cannot bundle the page: ${stderr.toString()}`);
  return stdout.toString().trim();
}

export function bundledStyle(): string {
  return readFileSync(`${folder}/page.css`, "utf8").replaceAll(/\/\*.*?\*\/|\n\s*/gs, "");
}
