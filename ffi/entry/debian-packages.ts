/**
 * Unpacks Debian packages of another machine into the cache, without installing anything or touching dpkg's list of
 * architectures: apt gets package lists of its own.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "./build-error.ts";
import { cacheFolder } from "./cache.ts";
import { run } from "./run.ts";

/** Fetched packages are used for a week, so that security updates of glibc arrive. */
const maxAgeMs = 7 * 24 * 3600 * 1000;

/** A folder with the packages unpacked over each other; versions are in `.versions/NAME`. */
export function unpackedPackages(architecture: string, names: string[]): string {
  const folder = cacheFolder(`debian-${architecture}`);
  const wanted = join(folder, names.join("+"));
  if (existsSync(wanted) && Date.now() - statSync(wanted).mtimeMs < maxAgeMs) return wanted;
  if (Bun.which("apt-get") === null || Bun.which("dpkg-deb") === null) {
    throw new BuildError(
      `cannot fetch ${names.join(", ")} for ${architecture}: apt-get and dpkg-deb are not here`,
      `build on Debian or Ubuntu, or on a ${architecture} machine`,
    );
  }
  const scratch = mkdtempSync(join(folder, "fetch-"));
  try {
    const apt = aptWithLists(folder, architecture);
    const downloads = join(scratch, "downloads");
    const root = join(scratch, "root");
    mkdirSync(downloads);
    mkdirSync(join(root, ".versions"), { recursive: true });
    run([...apt, "download", ...names.map((name) => `${name}:${architecture}`)], downloads);
    for (const file of readdirSync(downloads)) {
      const path = join(downloads, file);
      run(["dpkg-deb", "-x", path, root]);
      const [name, ...rest] = run(["dpkg-deb", "-W", "--showformat=${Package} ${Version}", path]).trim().split(" ");
      writeFileSync(join(root, ".versions", String(name)), rest.join(" "));
    }
    rmSync(wanted, { recursive: true, force: true });
    renameSync(root, wanted);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return wanted;
}

/** apt-get with lists and a package cache under the folder, so that it needs neither root nor the system's lists. */
function aptWithLists(folder: string, architecture: string): string[] {
  const state = join(folder, "apt");
  mkdirSync(join(state, "lists/partial"), { recursive: true });
  mkdirSync(join(state, "cache/archives/partial"), { recursive: true });
  const settings = {
    "APT::Architecture": architecture,
    "APT::Architectures": architecture,
    "APT::Sandbox::User": "root",
    "Acquire::Languages": "none",
    "Dir::State::Lists": join(state, "lists"),
    "Dir::State::status": "/dev/null",
    "Dir::Cache": join(state, "cache"),
  };
  const apt = ["apt-get", "-q", ...Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`])];
  run([...apt, "update"]);
  return apt;
}
