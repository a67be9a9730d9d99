/**
 * Gets what the tests and the demo need on a fresh Debian: programs by `apt-get install` (as root), files of packages by
 * `apt-get download` into the cache, where nothing of the system changes. What is fetched is said on stderr.
 */
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { cacheFolder } from "../../ffi/static/cache.ts";
import { takeLock } from "./lock.ts";

/** Programs that tests run (or, by its path, a file): the Debian package of each, and what it is for. */
export const tools = {
  "qemu-system-x86_64": { package: "qemu-system-x86", purpose: "boots the test guests" },
  "qemu-system-aarch64": { package: "qemu-system-arm", purpose: "boots the arm64 test guest" },
  "aarch64-linux-gnu-gcc": {
    package: "gcc-aarch64-linux-gnu",
    purpose: "compiles the entry code of the arm64 executable",
  },
  "/usr/sbin/mke2fs": { package: "e2fsprogs", purpose: "makes the disks of test guests" },
  xz: { package: "xz-utils", purpose: "unpacks kernel modules" },
  "/usr/lib/x86_64-linux-gnu/libkshark.so.2": {
    package: "libkshark2",
    purpose: "reads trace.dat files as KernelShark",
  },
  "trace-cmd": { package: "trace-cmd", purpose: "reads trace.dat files" },
  perf: { package: "linux-perf", purpose: "judges latencies of the scheduler" },
  file: { package: "file", purpose: "judges the executable" },
  strace: { package: "strace", purpose: "watches system calls" },
  xmllint: { package: "libxml2-utils", purpose: "checks libvirt XML" },
  mmdebstrap: { package: "mmdebstrap", purpose: "makes the Debian tree of guests with systemd" },
  cpio: { package: "cpio", purpose: "packs that tree" },
  genisoimage: { package: "genisoimage", purpose: "makes seed images for cloud-init" },
  man: { package: "man-db", purpose: "reads the man pages" },
  zsh: { package: "zsh", purpose: "tries its completions" },
  fish: { package: "fish", purpose: "tries its completions" },
  lintian: { package: "lintian", purpose: "judges the packages" },
  "chromium-headless-shell": { package: "chromium-headless-shell", purpose: "opens the pages" },
  gcc: { package: "gcc", purpose: "compiles programs for tests" },
  "/usr/include/stdio.h": { package: "libc6-dev", purpose: "compiles programs for tests" },
} as const;

export type Tool = keyof typeof tools;

/** Makes the programs available. Undefined when all are here, else the reason why a test that needs them is skipped. */
export async function whyNoTools(...names: Tool[]): Promise<string | undefined> {
  const missing = names.filter((name) => !isHere(name));
  if (missing.length === 0) return undefined;
  const packages = missing.map((name) => tools[name].package);
  const wanted = missing.map((name) => `${tools[name].package} (${tools[name].purpose})`).join(", ");
  if (Bun.which("apt-get") === null) return `needs ${wanted}, and there is no apt-get`;
  if (process.getuid?.() !== 0) return `needs ${wanted}: run as root, or apt-get install ${packages.join(" ")}`;
  const lock = await takeLock(join(cacheFolder("guest"), "apt.lock"));
  try {
    if (missing.every(isHere)) return undefined;
    process.stderr.write(`installing ${wanted}\n`);
    await withFreshLists(() => apt(["install", "--yes", "--no-install-recommends", ...packages]));
    return undefined;
  } catch (error) {
    return `needs ${wanted}: ${lastLine(error)}`;
  } finally {
    lock.release();
  }
}

function isHere(name: Tool): boolean {
  return name.startsWith("/") ? existsSync(name) : Bun.which(name) !== null;
}

/** A package, and the settings with which apt knows it; none where its own sources have it. */
export type PackageSource = { name: string; settings?: readonly string[] };

/**
 * The folder of the unpacked Debian package `name`, fetched once. `resolve` names the package to fetch when it is fetched
 * (for packages whose name holds a version). Throws an Error that says why not.
 */
export async function unpackedPackage(
  name: string,
  resolve = (): Promise<PackageSource> => Promise.resolve({ name }),
): Promise<string> {
  const folder = cacheFolder("guest");
  const wanted = join(folder, name);
  if (existsSync(wanted)) return wanted;
  if (Bun.which("apt-get") === null) throw new Error(`cannot fetch package "${name}": there is no apt-get`);
  const lock = await takeLock(join(folder, "apt.lock"));
  const scratch = mkdtempSync(join(folder, "fetch-"));
  try {
    if (existsSync(wanted)) return wanted;
    await withFreshLists(async () => {
      const concrete = await resolve();
      process.stderr.write(`fetching package ${concrete.name} into ${folder}\n`);
      await apt([...(concrete.settings ?? []), "download", concrete.name], scratch);
    });
    const [file] = readdirSync(scratch);
    if (file === undefined) throw new Error(`apt-get download "${name}" gave no file`);
    await command(["dpkg-deb", "-x", join(scratch, file), join(scratch, "root")]);
    renameSync(join(scratch, "root"), wanted);
    return wanted;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
    lock.release();
  }
}

/** What the package `name` depends on, by apt's lists. Throws where apt does not know it. */
export async function dependenciesOf({ name, settings = [] }: PackageSource): Promise<string[]> {
  const text = await command(["apt-cache", ...settings, "depends", "--important", name]);
  return [...text.matchAll(/^\s*\|?Depends: (\S+)$/gm)].map(([, dependency]) => dependency ?? "");
}

/** Tries, and once more with new package lists: those here may be missing, or name versions that are gone. */
async function withFreshLists(attempt: () => Promise<void>): Promise<void> {
  try {
    await attempt();
  } catch (error) {
    if (process.getuid?.() !== 0) throw error;
    process.stderr.write("apt-get update\n");
    await apt(["update"]);
    await attempt();
  }
}

export async function apt(words: string[], cwd?: string): Promise<void> {
  // The download user of apt may not write into our folder; dpkg may be busy with another installation.
  // A server that does not answer once is asked again.
  const settings = ["APT::Sandbox::User=root", "DPkg::Lock::Timeout=300", "Acquire::Retries=5"];
  await command(["apt-get", "-q", ...settings.flatMap((setting) => ["-o", setting]), ...words], cwd);
}

/** Standard output of the command; throws an Error with what it said. */
export async function command(words: string[], cwd?: string): Promise<string> {
  const child = Bun.spawn(words, {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" },
    ...(cwd === undefined ? {} : { cwd }),
  });
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (code !== 0) throw new Error(`${basename(words[0] ?? "")} failed: ${words.join(" ")}\n${stdout}${stderr}`.trim());
  return stdout;
}

function lastLine(error: unknown): string {
  return String(error).trim().split("\n").at(-1) ?? "";
}
