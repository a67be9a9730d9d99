/**
 * The dynamic loader and the libraries that go into the executable: this machine's own, or for another machine those
 * that are installed beside it or that Debian has for it.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "./build-error.ts";
import { unpackedPackages } from "./debian-packages.ts";
import { hostMachine, libraryNames, type Target } from "./targets.ts";

export type RuntimeFile = { name: string; bytes: Uint8Array; sha256: string };

export type Runtime = {
  loader: RuntimeFile;
  libraries: RuntimeFile[];
  glibcVersion: string;
  libgccVersion: string;
  /** Where the distribution keeps its own licence notes of the two, if any. */
  notices: { glibc: string | undefined; libgcc: string | undefined };
};

const packageNames = ["libc6", "libgcc-s1"];

export function findRuntime(target: Target): Runtime {
  const installed = ["/usr/lib", "/lib"].map((folder) => join(folder, target.triple));
  const others = target.machine === hostMachine() ? ["/usr/lib64", "/lib64", "/usr/lib"] : [];
  const folder = [...installed, ...others].find((candidate) => existsSync(join(candidate, "libc.so.6")));
  if (folder !== undefined) {
    return readRuntime(target, [folder, target.loaderFolder], "/", (name) => dpkgVersion(`${name}:${target.debian}`));
  }
  if (target.machine === hostMachine()) {
    throw new BuildError("cannot find libc.so.6 of this machine", "build on a system with glibc (not Alpine)");
  }
  const root = unpackedPackages(target.debian, packageNames);
  const folders = [`lib/${target.triple}`, `usr/lib/${target.triple}`, "lib"].map((part) => join(root, part));
  return readRuntime(target, folders, root, (name) => readFileSync(join(root, ".versions", name), "utf8"));
}

/** The unpacked package's copyright file, or that of this machine's package of the same name. */
function notice(root: string, packageName: string): string | undefined {
  const paths = [root, "/"].map((folder) => join(folder, "usr/share/doc", packageName, "copyright"));
  return paths.find((path) => existsSync(path));
}

type VersionOf = (packageName: string) => string | undefined;

function readRuntime(target: Target, folders: string[], root: string, versionOf: VersionOf): Runtime {
  const read = (name: string): RuntimeFile => {
    const path = folders.map((folder) => join(folder, name)).find((candidate) => existsSync(candidate));
    if (path === undefined) {
      throw new BuildError(`cannot find ${name} for ${target.machine} (looked in ${folders.join(", ")})`);
    }
    const bytes = new Uint8Array(readFileSync(path));
    return { name, bytes, sha256: createHash("sha256").update(bytes).digest("hex") };
  };
  const libraries = libraryNames.map(read);
  return {
    loader: read(target.loader),
    libraries,
    glibcVersion: versionOf("libc6") ?? bannerVersion(libraries),
    libgccVersion: versionOf("libgcc-s1") ?? "unknown",
    notices: { glibc: notice(root, "libc6"), libgcc: notice(root, "libgcc-s1") },
  };
}

/** The version of an installed package; undefined where dpkg does not know it. */
function dpkgVersion(name: string): string | undefined {
  if (Bun.which("dpkg-query") === null) return undefined;
  const result = Bun.spawnSync(["dpkg-query", "-W", "--showformat=${Version}", name], { stderr: "ignore" });
  return result.exitCode === 0 ? result.stdout.toString() : undefined;
}

/** glibc says who it is inside itself: "GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36." */
function bannerVersion(libraries: RuntimeFile[]): string {
  const text = Buffer.from(libraries[0]?.bytes ?? []).toString("latin1");
  return /GNU C Library[^\n]*version (\d[\d.]*\d)/.exec(text)?.[1] ?? "unknown";
}
