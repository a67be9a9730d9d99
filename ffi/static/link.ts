/** Compiles entry.c for a machine into the flat block of code that bundle.ts puts into the executable. */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BuildError } from "./build-error.ts";
import { cacheFolder } from "./cache.ts";
import { type Machine, readElf, segmentTypes } from "./elf.ts";
import { run } from "./run.ts";
import { hostMachine, type Target } from "./targets.ts";

const folder = join(import.meta.dir, "entry");
/** Of SHA-256. */
const hashBytes = 32;

/** Freestanding, and nothing that needs set-up which has not happened: no stack protector, no vector registers. */
const compilerFlags = [
  "-std=c11",
  "-Os",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-ffreestanding",
  "-fpie",
  "-fno-stack-protector",
  "-fno-asynchronous-unwind-tables",
  "-fno-tree-loop-distribute-patterns",
  "-mgeneral-regs-only",
  "-nostdlib",
  "-static",
];

/** The compiler for a target: the machine's own, or the GNU cross compiler. `CC` names another for this machine. */
export function findCompiler(target: Target): string {
  const native = target.machine === hostMachine();
  const names = native ? [process.env["CC"], "gcc", "cc", `${target.triple}-gcc`] : [`${target.triple}-gcc`];
  for (const name of names) {
    if (name !== undefined && name !== "" && Bun.which(name) !== null) return name;
  }
  throw new BuildError(
    `cannot build for ${target.machine}: no C compiler (searched for ${names.filter(Boolean).join(", ")})`,
    `install one, on Debian: apt-get install --no-install-recommends ${compilerPackage(target)}`,
  );
}

/** What Debian calls the package of that compiler. */
export function compilerPackage(target: Target): string {
  return target.machine === hostMachine() ? "gcc" : `gcc-${target.triple.replace("_", "-")}`;
}

/** The version line of a compiler: part of what the build depends on. */
export function compilerVersion(compiler: string): string {
  return run([compiler, "--version"]).split("\n")[0] ?? "";
}

/**
 * The code for a target, compiled once: it is kept under what it depends on, since a build that has nothing to do would take longer
 * for it than for all else.
 */
export function linkEntry(target: Target): Uint8Array {
  const compiler = findCompiler(target);
  const key = createHash("sha256").update(JSON.stringify([compiler, compilerVersion(compiler), compilerFlags]));
  for (const name of readdirSync(folder).sort()) key.update(`${name}\0`).update(readFileSync(join(folder, name)));
  const kept = join(cacheFolder("entry"), `${target.machine}-${key.digest("hex").slice(0, 32)}`);
  return readWhole(kept) ?? writeWhole(kept, compileEntry(target, compiler));
}

/** Undefined where it is not there, or damaged: its hash stands in front. */
function readWhole(path: string): Uint8Array | undefined {
  if (!existsSync(path)) return undefined;
  const bytes = readFileSync(path);
  const code = new Uint8Array(bytes.subarray(hashBytes));
  return hashOf(code).equals(bytes.subarray(0, hashBytes)) ? code : undefined;
}

function writeWhole(path: string, code: Uint8Array): Uint8Array {
  const fresh = `${path}.${process.pid}`;
  writeFileSync(fresh, Buffer.concat([hashOf(code), code]));
  renameSync(fresh, path);
  return code;
}

function hashOf(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}

/** It must run at whatever address it is put, so it is linked at two and both must be the same bytes: a pointer in the data would differ. */
function compileEntry(target: Target, compiler: string): Uint8Array {
  const scratch = mkdtempSync(join(tmpdir(), "trace-agent-entry-"));
  try {
    const object = join(scratch, "entry.o");
    run([compiler, ...compilerFlags, "-c", "-o", object, join(folder, "entry.c")]);
    const [low, high] = [0, 0x40_0000].map((base) => {
      const output = join(scratch, `${base}.elf`);
      const script = `-Wl,-T,${join(folder, "entry.ld")},--defsym=BASE=${base},--build-id=none`;
      run([compiler, ...compilerFlags, script, "-o", output, object]);
      return codeOf(readFileSync(output), target.machine);
    });
    if (low === undefined || high === undefined || !low.equals(high)) {
      throw new BuildError("the entry code depends on its address", "this is a bug in ffi/static/entry/entry.c");
    }
    return new Uint8Array(low);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** The one executable segment of the linked code, which must begin with its entry. */
function codeOf(bytes: Buffer, machine: Machine): Buffer {
  const elf = readElf(bytes, "entry code", "executable", machine);
  const loads = elf.headers.filter((header) => header.type === segmentTypes.load && header.memorySize > 0);
  const [code] = loads;
  if (code === undefined || loads.length !== 1 || elf.entry < code.address) {
    throw new BuildError("the entry code is not one segment that begins with its entry");
  }
  return bytes.subarray(code.offset + elf.entry - code.address, code.offset + code.fileSize);
}
