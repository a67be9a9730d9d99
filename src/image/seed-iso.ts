/** Makes a NoCloud seed: an ISO 9660 image with user-data, meta-data and the executable, to give to a VM as a disk. */
import { linkSync, copyFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { AgentError, messageOf } from "../errors.ts";
import { metaData, seedLabel, seedProgram, userData } from "./cloud-init.ts";

/** Programs that make such images; all take the arguments of mkisofs. */
const makers = [["xorriso", "-as", "genisoimage"], ["genisoimage"], ["mkisofs"], ["xorrisofs"]];

export function makeSeed(file: string, program: string, sha256: string): void {
  const maker = makers.find(([name = ""]) => Bun.which(name) !== null);
  if (maker === undefined) {
    throw new AgentError("unavailable", `cannot make "${file}": neither xorriso nor genisoimage is here`, {
      remedy: "install one of them, or print user-data for an executable on a web server with --url",
    });
  }
  const target = resolve(file);
  let folder: string;
  try {
    folder = mkdtempSync(join(dirname(target), `.${basename(target)}.`));
  } catch (cause) {
    throw new AgentError("io", `cannot make "${file}": ${messageOf(cause)}`, { cause });
  }
  try {
    writeFileSync(join(folder, "user-data"), userData({ from: "seed" }, sha256));
    writeFileSync(join(folder, "meta-data"), metaData(sha256));
    putProgram(program, join(folder, seedProgram));
    const image = join(folder, "image");
    const files = ["user-data", "meta-data", seedProgram].map((name) => join(folder, name));
    const made = Bun.spawnSync([...maker, "-quiet", "-o", image, "-V", seedLabel, "-J", "-r", ...files], {
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    });
    if (made.exitCode !== 0) {
      throw new AgentError("io", `cannot make "${file}": ${maker[0]} failed: ${made.stderr.toString().trim()}`);
    }
    renameSync(image, target);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A link where both are on one file system: the executable has some 110 MB. */
function putProgram(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
}
