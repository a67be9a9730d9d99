/** Makes a NoCloud seed: an ISO 9660 image with user-data, meta-data and the executable, to give to a VM as a disk. */
import { identitiesOf } from "../base/output-place.ts";
import { AgentError } from "../base/errors.ts";
import { OutputFile } from "../base/output-file.ts";
import { makePrivateDirectory, removePrivateDirectory } from "../base/private-directory.ts";
import { metaData, seedLabel, seedProgram, userData } from "./cloud-init.ts";

/** Programs that make such images; all take mkisofs' arguments, and write to stdout if no file is named. */
const makers = [["xorriso", "-as", "genisoimage"], ["genisoimage"], ["mkisofs"], ["xorrisofs"]];
/** QEMU reads it, under libvirt as another user; nothing in it is secret. */
const seedMode = 0o644;

export function makeSeed(file: string, program: string, sha256: string): void {
  const maker = makers.find(([name = ""]) => Bun.which(name) !== null);
  if (maker === undefined) {
    throw new AgentError("unavailable", `cannot make "${file}": neither xorriso nor genisoimage is here`, {
      remedy: "install one of them, or print user-data for an executable on a web server with --url",
    });
  }
  const image = new OutputFile(file, { action: "make", mode: seedMode, inputs: identitiesOf(program) });
  try {
    const folder = makePrivateDirectory();
    try {
      write(`${folder}/user-data`, userData({ from: "seed" }, sha256));
      write(`${folder}/meta-data`, metaData(sha256));
      // The executable is read in place: it has some 110 MB.
      const grafts = [
        `user-data=${folder}/user-data`,
        `meta-data=${folder}/meta-data`,
        `${seedProgram}=${escaped(program)}`,
      ];
      const made = Bun.spawnSync([...maker, "-quiet", "-V", seedLabel, "-J", "-r", "-graft-points", ...grafts], {
        stdin: "ignore",
        stdout: image.fd,
        stderr: "pipe",
      });
      if (made.exitCode !== 0)
        throw new AgentError("io", `cannot make "${file}": ${maker[0]} failed: ${made.stderr.toString().trim()}`);
    } finally {
      removePrivateDirectory(folder);
    }
    image.finish();
  } finally {
    image.abandon();
  }
}

function write(path: string, content: string): void {
  const file = new OutputFile(path);
  file.write(Buffer.from(content));
  file.finish();
}

/** In a graft point "=" separates the names, and a backslash escapes the next letter. */
function escaped(path: string): string {
  return path.replaceAll(/[\\=]/g, String.raw`\$&`);
}
