/** A program that does nothing, built as ours is: what its runtime alone costs. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "../../../ffi/static/build-error.ts";
import { findIngredients, makeExecutable } from "../../../ffi/static/executable.ts";
import { hostMachine, targets } from "../../../ffi/static/targets.ts";

/** Its path, in `folder`, which the caller removes. */
export async function buildEmptyProgram(folder: string): Promise<string> {
  const machine = hostMachine();
  if (machine === undefined) throw new BuildError("the runtime is known on x64 and arm64 alone");
  const source = mkdtempSync(join(folder, "empty-"));
  try {
    const main = join(source, "main.ts");
    writeFileSync(main, "export {};\n");
    const program = join(folder, "empty-program");
    await makeExecutable({ entrypoints: [main], root: source }, findIngredients(targets[machine]), program);
    return program;
  } finally {
    rmSync(source, { recursive: true });
  }
}
