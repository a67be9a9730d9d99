/**
 * Parts of the executable that others wrote: names, versions, licences, where their source is, licence texts.
 *
 * build.ts puts this into the executable as contents.json (`trace-agent licenses` reads it) and makes the SBOM of it.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Runtime } from "./runtime-libraries.ts";

export type Component = {
  name: string;
  version: string;
  /** An SPDX licence expression. */
  license: string;
  /** Where the source is. */
  source: string;
  /** A package URL (purl), which vulnerability scanners understand. */
  purl: string;
  /** Its purpose, and what was changed. */
  note: string;
  /** Files carried as they are, with their SHA-256. */
  files: { name: string; sha256: string }[];
};

export type Contents = { machine: string; components: Component[]; texts: { title: string; text: string }[] };

const projectFolder = join(import.meta.dir, "../..");

export function describeContents(machine: string, runtime: Runtime): Contents {
  const packages = bundledPackages();
  const [libgcc, ...glibc] = runtime.libraries.toReversed();
  const glibcFiles = [runtime.loader, ...glibc.reverse()];
  return {
    machine,
    components: [
      {
        name: "bun",
        version: Bun.version,
        license: "MIT AND LGPL-2.1-or-later",
        source: `https://github.com/oven-sh/bun (tag bun-v${Bun.version}) and https://github.com/oven-sh/WebKit`,
        purl: `pkg:npm/bun@${Bun.version}`,
        note: "the JavaScript runtime, unchanged but for its ELF headers; JavaScriptCore in it is under the LGPL",
        files: [],
      },
      {
        name: "glibc",
        version: runtime.glibcVersion,
        license: "LGPL-2.1-or-later",
        source: sourceOf("glibc", runtime.glibcVersion, "https://sourceware.org/git/glibc.git"),
        purl: `pkg:deb/debian/libc6@${encodeURIComponent(runtime.glibcVersion)}?arch=${debianName(machine)}`,
        note:
          "loader and C library, unchanged but for one path in the loader: /etc/ld.so.preload is not read " +
          "(the SHA-256 is of the file before)",
        files: glibcFiles.map(({ name, sha256 }) => ({ name, sha256 })),
      },
      {
        name: "libgcc",
        version: runtime.libgccVersion,
        license: "GPL-3.0-or-later WITH GCC-exception-3.1",
        source: sourceOf(
          `gcc-${runtime.libgccVersion.split(".")[0]}`,
          runtime.libgccVersion,
          "https://gcc.gnu.org/git/gcc.git",
        ),
        purl: `pkg:deb/debian/libgcc-s1@${encodeURIComponent(runtime.libgccVersion)}?arch=${debianName(machine)}`,
        note: "unwinder, which glibc loads when a thread ends; unchanged",
        files: libgcc === undefined ? [] : [{ name: libgcc.name, sha256: libgcc.sha256 }],
      },
      ...packages.map(({ component }) => component),
    ],
    texts: [
      ...readTexts({
        "LGPL-2.1 (glibc, JavaScriptCore)": "/usr/share/common-licenses/LGPL-2.1",
        "GPL-3 (libgcc, with the exception below)": "/usr/share/common-licenses/GPL-3",
        "Debian's notes on glibc": runtime.notices.glibc,
        "Debian's notes on libgcc, with the GCC Runtime Library Exception": runtime.notices.libgcc,
      }),
      ...packages.map(({ component, text }) => ({ title: `${component.name} ${component.version}`, text })),
    ],
  };
}

/** Debian's source package when the version is one of Debian's (it has a revision), else the project's own place. */
function sourceOf(debianSource: string, version: string, upstream: string): string {
  return version.includes("-") ? `https://snapshot.debian.org/package/${debianSource}/${version}/` : upstream;
}

function debianName(machine: string): string {
  return machine === "x64" ? "amd64" : machine;
}

/** The npm packages that the bundle holds: the dependencies of package.json (they have none of their own). */
function bundledPackages(): { component: Component; text: string }[] {
  const own = readJson(join(projectFolder, "package.json"));
  return Object.keys(own.dependencies ?? {}).map((name) => {
    const folder = join(projectFolder, "node_modules", name);
    const { version = "", license = "", repository } = readJson(join(folder, "package.json"));
    const source = typeof repository === "string" ? `https://github.com/${repository}` : (repository?.url ?? "");
    const purl = `pkg:npm/${name}@${version}`;
    const component = { name, version, license, source, purl, note: "npm package, bundled", files: [] };
    const licenseFile = readdirSync(folder).find((file) => /^licen[cs]e/i.test(file)) ?? "LICENSE";
    return { component, text: readFileSync(join(folder, licenseFile), "utf8") };
  });
}

type PackageJson = {
  version?: string;
  license?: string;
  repository?: string | { url?: string };
  dependencies?: Record<string, string>;
};

function readJson(path: string): PackageJson {
  return JSON.parse(readFileSync(path, "utf8")) as PackageJson;
}

function readTexts(paths: Record<string, string | undefined>): Contents["texts"] {
  return Object.entries(paths).flatMap(([title, path]) =>
    path !== undefined && existsSync(path) ? [{ title, text: readFileSync(path, "utf8") }] : [],
  );
}
