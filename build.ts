/**
 * Builds the executable: `bun build.ts [--all] [--release] [--install] [--quiet]`.
 *
 * Without a flag: dist/trace-agent for this machine. `--all`: dist/trace-agent-linux-x64 and -arm64 too, and SHA256SUMS.
 * `--release`: all of that, compressed (.xz), with a bill of materials and a package for Debian (.deb) of each, and man pages
 * and completions (dist/share, trace-agent-share.tar.xz). `--install`: a compiler that is missing is
 * installed with apt, and this is said; without the flag the build names it and ends. What is up to date is left alone.
 * How the executable becomes static is told in ffi/static/.
 */
import { createHash } from "node:crypto";
import { copyFileSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { BuildError } from "./ffi/static/build-error.ts";
import { commitOf } from "./ffi/static/commit.ts";
import type { Machine } from "./ffi/static/elf.ts";
import { findIngredients, makeExecutable } from "./ffi/static/executable.ts";
import { installCompiler } from "./ffi/static/install.ts";
import { run } from "./ffi/static/run.ts";
import { sbom } from "./ffi/static/sbom.ts";
import { hashInputs, isCurrent, writeStamp } from "./ffi/static/stamp.ts";
import { hostMachine, targets } from "./ffi/static/targets.ts";
import { packFolder } from "./packaging/archive.ts";
import { writeDebianPackage } from "./packaging/debian-package.ts";
import { maintainerOf } from "./packaging/maintainer.ts";
import { writeShareFiles } from "./packaging/share-files.ts";
import packageJson from "./package.json";

/** The main program, and each file that is started as a Worker. */
const entrypoints = ["src/main.ts", "src/guest/transfer/cpu-worker.ts", "src/guest/control/control-worker.ts"];

/** The folder that paths in the bundle are relative to; src/guest/worker-files.ts depends on it. */
const root = "src/guest";

const inputs = ["src", "ffi", "build.ts", "package.json", "package-lock.json"];
const shareFolder = "dist/share";
const flags = ["--all", "--release", "--install", "--quiet"];

async function main(options: string[]): Promise<void> {
  const unknown = options.find((option) => !flags.includes(option));
  if (unknown !== undefined) throw new BuildError(`unknown option "${unknown}"`, `known: ${flags.join(" ")}`);
  process.chdir(import.meta.dir);
  const say = (text: string): void => (options.includes("--quiet") ? undefined : console.error(text));
  const host = hostMachine();
  if (host === undefined)
    throw new BuildError(`cannot build on ${process.platform} ${process.arch}`, "use Linux, x64 or arm64");
  mkdirSync("dist/.stamps", { recursive: true });
  const release = options.includes("--release");
  const all = release || options.includes("--all");
  if (options.includes("--install")) {
    for (const target of Object.values(targets))
      if (all || target.machine === host) installCompiler(target, console.error);
  }
  await build(host, "dist/trace-agent", say);
  if (!all) return;

  const made: string[] = [];
  if (release) made.push(share(say));
  for (const { machine } of Object.values(targets)) {
    const outfile = `dist/trace-agent-linux-${machine}`;
    if (machine === host) link("dist/trace-agent", outfile);
    else await build(machine, outfile, say);
    made.push(outfile, ...(release ? packUp(machine, outfile, say) : []));
  }
  const sums = made.map((path) => `${sha256(path)}  ${path.slice("dist/".length)}\n`);
  writeFileSync("dist/SHA256SUMS", sums.join(""));
  say("dist/SHA256SUMS");
}

async function build(machine: Machine, outfile: string, say: (text: string) => void): Promise<void> {
  const ingredients = findIngredients(targets[machine]);
  const stamp = `dist/.stamps/${outfile.slice("dist/".length)}`;
  const commit = commitOf(".", inputs);
  const hash = hashInputs(inputs, ingredients, commit);
  const current = isCurrent(outfile, stamp, hash);
  if (!current) {
    await makeExecutable({ entrypoints, root }, ingredients, outfile, { TRACE_AGENT_COMMIT: commit });
    writeStamp(outfile, stamp, hash);
  }
  say(`${outfile}  ${mebibytes(outfile)}, ${machine}, static${current ? ", unchanged" : ""}`);
}

/** The compressed file and the bill of materials of an executable. */
function packUp(machine: Machine, outfile: string, say: (text: string) => void): string[] {
  const { contents } = findIngredients(targets[machine]);
  const materials = `${outfile}.cdx.json`;
  writeFileSync(materials, sbom(contents, packageJson.version, sha256(outfile)));
  run(["xz", "--keep", "--force", "--threads=1", outfile]);
  const deb = writeDebianPackage(
    {
      executable: outfile,
      share: shareFolder,
      version: packageJson.version,
      architecture: targets[machine].debian,
      maintainer: maintainerOf(".", "author" in packageJson ? String(packageJson.author) : undefined),
      license: readFileSync("LICENSE", "utf8"),
      changelog: readFileSync("CHANGELOG.md", "utf8"),
    },
    "dist",
  );
  say(`${outfile}.xz  ${mebibytes(`${outfile}.xz`)}\n${materials}\n${deb}  ${mebibytes(deb)}`);
  return [`${outfile}.xz`, materials, deb];
}

/** Man pages and completions, and an archive of them for who has no package. */
function share(say: (text: string) => void): string {
  writeShareFiles("dist/trace-agent", shareFolder);
  const archive = "dist/trace-agent-share.tar.xz";
  packFolder(shareFolder, archive);
  say(archive);
  return archive;
}

/** A second name for the same file; a copy where the file system has no hard links. */
function link(from: string, to: string): void {
  const fresh = `${to}.${process.pid}`;
  try {
    linkSync(from, fresh);
  } catch {
    copyFileSync(from, fresh);
  }
  renameSync(fresh, to);
  rmSync(fresh, { force: true });
}

function sha256(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

function mebibytes(path: string): string {
  return `${(statSync(path).size / 2 ** 20).toFixed(1)} MiB`;
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  console.error(`build: ${error.text}`);
  process.exitCode = 1;
}
