/** The Bun executable to embed: this process's own for this machine, else the npm package of the same version. */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "./build-error.ts";
import { lockedFolder } from "./cache.ts";
import { run } from "./run.ts";
import { hostMachine, type Target } from "./targets.ts";

const lockFile = join(import.meta.dir, "../../package-lock.json");

/** The path of a Bun executable for the target, fetched with npm on first use and checked against the lock file. */
export function bunExecutable(target: Target): string {
  return target.machine === hostMachine() ? process.execPath : lockedFolder("bun", (folder) => fetched(target, folder));
}

function fetched(target: Target, folder: string): string {
  const wanted = join(folder, `bun-${Bun.version}-${target.machine}`);
  if (existsSync(wanted)) return wanted;
  const scratch = mkdtempSync(join(folder, "fetch-"));
  try {
    const spec = `${target.bunPackage}@${Bun.version}`;
    const tarball = join(scratch, run(["npm", "pack", "--silent", "--pack-destination", scratch, spec]).trim());
    checkIntegrity(tarball, target.bunPackage);
    run(["tar", "-xzf", tarball, "-C", scratch]);
    renameSync(join(scratch, "package/bin/bun"), wanted);
    return wanted;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** The lock file holds the checksum of every platform's package, though npm installed only this machine's. */
function checkIntegrity(tarball: string, name: string): void {
  const lock = JSON.parse(readFileSync(lockFile, "utf8")) as {
    packages: Record<string, { version?: string; integrity?: string } | undefined>;
  };
  const entry = lock.packages[`node_modules/${name}`];
  const found = `sha512-${createHash("sha512").update(readFileSync(tarball)).digest("base64")}`;
  if (entry?.integrity !== found) {
    throw new BuildError(`"${name}" from npm is not what package-lock.json names`, "run npm install, then build again");
  }
}
