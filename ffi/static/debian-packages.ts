/**
 * Unpacks Debian packages of any machine into the cache, without installing anything or touching dpkg's list of
 * architectures: apt gets package lists of its own.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { BuildError } from "./build-error.ts";
import { lockedFolder } from "./cache.ts";
import { run } from "./run.ts";

/** Fetched packages are used for a week, then fetched again, so that security updates of glibc arrive. */
const maxAgeMs = 7 * 24 * 3600 * 1000;

/** A folder with the packages unpacked over each other; versions are in `.versions/NAME`. */
export function unpackedPackages(architecture: string, names: string[]): string {
  return lockedFolder(`debian-${architecture}`, (folder) => {
    const wanted = join(folder, names.join("+"));
    if (!isFresh(wanted)) fetchInto(wanted, folder, architecture, () => names);
    return wanted;
  });
}

/** The same for the one package that a package without files depends on: how Debian names its newest kernel. */
export function unpackedDependency(architecture: string, name: string): string {
  return lockedFolder(`debian-${architecture}`, (folder) => {
    const wanted = join(folder, name);
    if (!isFresh(wanted)) fetchInto(wanted, folder, architecture, (apt) => [dependencyOf(apt, name)]);
    return wanted;
  });
}

function isFresh(path: string): boolean {
  return existsSync(path) && Date.now() - statSync(path).mtimeMs < maxAgeMs;
}

type AptSettings = string[];

function fetchInto(wanted: string, folder: string, architecture: string, choose: (apt: AptSettings) => string[]): void {
  if (Bun.which("apt-get") === null || Bun.which("dpkg-deb") === null) {
    throw new BuildError(
      `cannot fetch packages for ${architecture}: apt-get and dpkg-deb are not here`,
      "use Debian or Ubuntu",
    );
  }
  const scratch = mkdtempSync(join(folder, "fetch-"));
  try {
    const apt = aptSettings(folder, architecture);
    run(["apt-get", ...apt, "update"]);
    const downloads = join(scratch, "downloads");
    const root = join(scratch, "root");
    mkdirSync(downloads);
    mkdirSync(join(root, ".versions"), { recursive: true });
    run(["apt-get", ...apt, "download", ...choose(apt).map((name) => `${name}:${architecture}`)], downloads);
    for (const file of readdirSync(downloads)) {
      const path = join(downloads, file);
      run(["dpkg-deb", "-x", path, root]);
      const [name, ...rest] = run(["dpkg-deb", "-W", "--showformat=${Package} ${Version}", path]).trim().split(" ");
      writeFileSync(join(root, ".versions", String(name)), rest.join(" "));
    }
    rmSync(wanted, { recursive: true, force: true });
    renameSync(root, wanted);
    // dpkg-deb gives the folder the package's time; the age that counts is that of the fetch.
    utimesSync(wanted, new Date(), new Date());
  } catch (error) {
    // Without a network, what was fetched before is still better than nothing.
    if (!existsSync(wanted)) throw error;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function dependencyOf(apt: AptSettings, name: string): string {
  const found = /^Depends: ([^ ,]+)/m.exec(run(["apt-cache", ...apt, "show", "--no-all-versions", name]))?.[1];
  if (found === undefined) throw new BuildError(`Debian's package "${name}" depends on nothing`);
  return found;
}

/** apt with lists and a package cache under the folder, so that it needs neither root nor the system's lists. */
function aptSettings(folder: string, architecture: string): AptSettings {
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
  return ["-q", ...Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`])];
}
