/** Makes one executable: Bun's compile, then the static form, written beside its place and moved there when whole. */
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { makeStatic } from "./bundle.ts";
import { bunExecutable } from "./bun-executable.ts";
import { compile, type Program } from "./compile.ts";
import { type Contents, describeContents } from "./contents.ts";
import { linkEntry } from "./link.ts";
import { withoutPreloadFile } from "./loader.ts";
import { findRuntime, type Runtime } from "./runtime-libraries.ts";
import type { Target } from "./targets.ts";

/** The name of the list of contents beside the main file in the bundle. */
const contentsName = "contents.json";

/** What goes into an executable besides the program itself. */
export type Ingredients = { target: Target; bun: string; runtime: Runtime; entryCode: Uint8Array; contents: Contents };

export function findIngredients(target: Target): Ingredients {
  const entryCode = linkEntry(target);
  const runtime = findRuntime(target);
  return {
    target,
    bun: bunExecutable(target),
    runtime,
    entryCode,
    contents: describeContents(target.machine, runtime),
  };
}

/** Writes the static executable of a program to `outfile`, or nothing at all. */
export async function makeExecutable(
  program: Program,
  ingredients: Ingredients,
  outfile: string,
  constants: Record<string, string> = {},
): Promise<void> {
  const { target, runtime, entryCode } = ingredients;
  mkdirSync(dirname(outfile), { recursive: true });
  const scratch = mkdtempSync(join(dirname(outfile), ".build-"));
  try {
    // The name of this file is part of the paths in the bundle: it must not depend on what the output is called.
    const dynamic = join(scratch, "trace-agent");
    const contentsFile = join(scratch, contentsName);
    writeFileSync(contentsFile, JSON.stringify(ingredients.contents));
    const defined = { ...constants, TRACE_AGENT_MACHINE: target.machine };
    await compile({ ...program, bun: ingredients.bun, assets: [contentsFile], constants: defined }, dynamic);
    const pieces = makeStatic(readFileSync(dynamic), dynamic, {
      machine: target.machine,
      entryCode,
      loader: withoutPreloadFile(runtime.loader.bytes),
      libraries: runtime.libraries,
    });
    const whole = join(scratch, "whole");
    writePieces(whole, pieces);
    renameSync(whole, outfile);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function writePieces(path: string, pieces: Uint8Array[]): void {
  const fd = openSync(path, "w", 0o755);
  try {
    for (const piece of pieces) {
      for (let written = 0; written < piece.length;) written += writeSync(fd, piece, written);
    }
  } finally {
    closeSync(fd);
  }
  chmodSync(path, 0o755);
}
