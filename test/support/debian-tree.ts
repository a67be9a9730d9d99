/**
 * A small but real Debian for guests whose init is the subject: systemd, udev and cloud-init, made once by mmdebstrap into
 * the cache. A test gets a copy of hard links to put files into (by renaming, never by writing into one that is there).
 */
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../../ffi/entry/cache.ts";
import { takeLock } from "./lock.ts";
import { whyNoTools } from "./packages.ts";

const packages = ["systemd-sysv", "udev", "dbus", "cloud-init", "kmod", "iproute2", "netbase"];

/** Nothing of it is needed to boot, and an emulated guest unpacks the tree into its memory. */
const unneeded = [
  "boot",
  "usr/share/{bash-completion,doc,i18n,info,locale,man,perl,zoneinfo}",
  "usr/lib/x86_64-linux-gnu/{gconv,perl}",
  "usr/lib/udev/{hwdb.bin,hwdb.d}",
  "usr/include",
  "var/cache/*",
  "var/lib/apt/lists/*",
  "var/log/*",
];

const sources = ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"];

/** Why there can be no such tree here; undefined when there is one. */
export async function whyNoDebianTree(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return "needs root to make a Debian tree";
  if (suite() === undefined) return "needs Debian's package sources: this is another system";
  const reason = await whyNoTools("mmdebstrap", "cpio");
  if (reason !== undefined) return reason;
  try {
    await debianTree();
    return undefined;
  } catch (error) {
    return String(error).trim().split("\n").at(-1);
  }
}

function suite(): string | undefined {
  const release = existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "";
  return /^ID=debian$/m.test(release) && sources.some(existsSync) ? /^VERSION_CODENAME=(\w+)$/m.exec(release)?.[1] : undefined;
}

/** The folder of the tree itself; nobody may change it. Made when it is not there, which takes a minute. */
async function debianTree(): Promise<string> {
  const folder = cacheFolder("guest");
  const wanted = join(folder, `debian-tree-${suite()}`);
  if (existsSync(wanted)) return wanted;
  const lock = await takeLock(join(folder, "tree.lock"));
  const scratch = mkdtempSync(join(folder, "tree-"));
  try {
    if (existsSync(wanted)) return wanted;
    process.stderr.write(`making a Debian tree in ${folder}\n`);
    const tree = join(scratch, "tree");
    const source = sources.find(existsSync) ?? "";
    await run(["mmdebstrap", "--mode=root", "--variant=minbase", `--include=${packages.join(",")}`, "--format=directory", suite() ?? "", tree, source]);
    await run(["bash", "-c", `cd "$1" && rm -rf ${unneeded.join(" ")}`, "bash", tree]);
    renameSync(tree, wanted);
    return wanted;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
    lock.release();
  }
}

/** Copies the tree to `folder`, which must not exist yet and lie on the cache's file system for hard links. */
export async function copyDebianTree(folder: string): Promise<void> {
  await run(["cp", "-al", await debianTree(), folder]);
}

/** A folder beside the cached tree, where hard links to it can be made. */
export function treeFolder(): string {
  return mkdtempSync(join(cacheFolder("guest"), "copy-"));
}

/** Writes the whole tree as an initramfs. */
export async function writeTreeInitramfs(tree: string, target: string): Promise<void> {
  await run(["bash", "-c", `cd "$1" && find . -xdev -print0 | cpio --null --quiet -o -H newc >"$2"`, "bash", tree, target]);
}

async function run(words: string[]): Promise<void> {
  const child = Bun.spawn(words, { stdin: "ignore", stdout: "ignore", stderr: "pipe", env: { ...process.env, LC_ALL: "C" } });
  const [stderr, code] = await Promise.all([child.stderr.text(), child.exited]);
  if (code !== 0) throw new Error(`${words[0]} failed: ${words.join(" ")}\n${stderr}`);
}
