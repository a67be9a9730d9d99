/**
 * A small but real Debian for guests whose init is the subject: systemd, udev and cloud-init, made once by mmdebstrap into
 * the cache, with the modules of the guests' kernel and the harness's command loop. A test gets a copy of hard links to put
 * files into (by renaming, never by writing into one that is there).
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { cacheFolder } from "../../ffi/static/cache.ts";
import { commandsScript } from "./guest-init.ts";
import { findKernel } from "./kernel.ts";
import { takeLock } from "./lock.ts";
import { unpackedPackage, whyNoTools } from "./packages.ts";

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

/** Units that do nothing for a test and cost an emulated boot its time. */
const maskedUnits = [
  "apt-daily.timer",
  "apt-daily-upgrade.timer",
  "dev-hugepages.mount",
  "dev-mqueue.mount",
  "dbus.service",
  "dbus.socket",
  "dpkg-db-backup.timer",
  "e2scrub_all.timer",
  "e2scrub_reap.service",
  "fstrim.timer",
  "getty.target",
  "modprobe@.service",
  "proc-sys-fs-binfmt_misc.automount",
  "sys-fs-fuse-connections.mount",
  "sys-kernel-config.mount",
  "systemd-ask-password-console.path",
  "systemd-ask-password-wall.path",
  "systemd-binfmt.service",
  "systemd-logind.service",
  "systemd-machine-id-commit.service",
  "systemd-pcrphase.service",
  "systemd-pcrphase-initrd.service",
  "systemd-pcrphase-sysinit.service",
  "systemd-pstore.service",
  "systemd-random-seed.service",
  "systemd-repart.service",
  "systemd-timesyncd.service",
  "systemd-update-utmp.service",
  "systemd-update-utmp-runlevel.service",
  "systemd-user-sessions.service",
];

/** Each is a program that systemd runs at each boot and each reload of its units, and has nothing to generate here. */
const maskedGenerators = [
  "cryptsetup",
  "debug",
  "getty",
  "gpt-auto",
  "hibernate-resume",
  "integritysetup",
  "rc-local",
  "run",
  "system-update",
  "sysv",
  "veritysetup",
].map((name) => `systemd-${name}-generator`);

/** At boot udev is told again of the devices that a test has: for the some 400 others it would take a third of an emulated boot. */
const coldplug = `[Service]
ExecStart=
ExecStart=-udevadm trigger --type=devices --action=add --subsystem-match=block --subsystem-match=virtio-ports
`;

/** Counted up when the tree is made in another way. */
const treeForm = 3;

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
  return /^ID=debian$/m.test(release) && sources.some(existsSync)
    ? /^VERSION_CODENAME=(\w+)$/m.exec(release)?.[1]
    : undefined;
}

/** The folder of the tree itself; nobody may change it. Made when it is not there, which takes a minute. */
async function debianTree(): Promise<string> {
  const { release, modules } = await findKernel("6.12");
  const busybox = join(await unpackedPackage("busybox-static"), "bin/busybox");
  // What is done here, by its text: another way makes another tree.
  const form = Bun.hash(`${commandsScript}${treeForm}`).toString(36);
  const system = await madeOnce(`debian-tree-${suite()}`, makeSystem);
  return await madeOnce(`debian-tree-${suite()}-${release}-${form}`, async (tree) => {
    await run(["cp", "-al", system, tree]);
    for (const path of modulesIn(modules)) {
      const target = join(tree, "usr/lib/modules", release, path);
      mkdirSync(dirname(target), { recursive: true });
      cpSync(join(modules, path), target);
    }
    await run(["chroot", tree, "depmod", release]);
    await run(["cp", busybox, join(tree, "usr/bin/busybox")]);
    symlinkSync("busybox", join(tree, "usr/bin/usleep"));
    mkdirSync(join(tree, "etc/systemd/system-generators"));
    for (const [folder, names] of [
      ["system", maskedUnits],
      ["system-generators", maskedGenerators],
    ] as const) {
      for (const name of names) symlinkSync("/dev/null", join(tree, "etc/systemd", folder, name));
    }
    mkdirSync(join(tree, "etc/systemd/system/systemd-udev-trigger.service.d"));
    writeFileSync(join(tree, "etc/systemd/system/systemd-udev-trigger.service.d/test.conf"), coldplug);
    writeFileSync(join(tree, "etc/commands"), commandsScript, { mode: 0o755 });
  });
}

/** Of all modules udev would load many for devices that no test needs, and emulation makes each of them dear. */
function modulesIn(folder: string): string[] {
  const drivers = ["isofs/isofs", "cdrom/cdrom", "block/virtio_blk"];
  const lists = ["modules.builtin", "modules.builtin.modinfo", "modules.order"];
  return lists.concat(...drivers.map((name) => Array.from(new Bun.Glob(`kernel/**/${name}.ko*`).scanSync(folder))));
}

/** What the tree is made of: strings that change when it does. */
export async function debianTreeParts(): Promise<string[]> {
  const tree = await debianTree();
  return [basename(tree), Bun.hash(readFileSync(join(tree, "var/lib/dpkg/status"))).toString(36)];
}

/** A folder of the cache, which `make` makes when it is not there; one process makes it, others wait. */
async function madeOnce(name: string, make: (tree: string) => Promise<void>): Promise<string> {
  const folder = cacheFolder("guest");
  const wanted = join(folder, name);
  if (existsSync(wanted)) return wanted;
  const lock = await takeLock(join(folder, "tree.lock"));
  const scratch = mkdtempSync(join(folder, "tree-"));
  try {
    if (existsSync(wanted)) return wanted;
    process.stderr.write(`making a Debian tree in ${folder}\n`);
    const tree = join(scratch, "tree");
    await make(tree);
    renameSync(tree, wanted);
    return wanted;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
    lock.release();
  }
}

async function makeSystem(tree: string): Promise<void> {
  const source = sources.find(existsSync) ?? "";
  const include = `--include=${packages.join(",")}`;
  const form = ["--mode=root", "--variant=minbase", include, "--format=directory"];
  await run(["mmdebstrap", ...form, suite() ?? "", tree, source]);
  await run(["bash", "-c", `cd "$1" && rm -rf ${unneeded.join(" ")}`, "bash", tree]);
}

/** Copies the tree to `folder`, which must not exist yet and lie on the cache's file system for hard links. */
export async function copyDebianTree(folder: string): Promise<void> {
  await run(["cp", "-al", await debianTree(), folder]);
}

/** A folder beside the cached tree, where hard links to it can be made. The gate knows it by its name (group-folder.ts). */
export function treeFolder(): string {
  return mkdtempSync(join(cacheFolder("guest"), `copy-${process.pid}-`));
}

/** Writes the whole tree as an initramfs. */
export async function writeTreeInitramfs(tree: string, target: string): Promise<void> {
  await run([
    "bash",
    "-c",
    `cd "$1" && find . -xdev -print0 | cpio --null --quiet -o -H newc >"$2"`,
    "bash",
    tree,
    target,
  ]);
}

/** Writes the whole tree as a disk with an ext4 file system. */
export async function writeTreeDisk(tree: string, target: string): Promise<void> {
  // No journal, no checksums: it lives as long as its guest, and an emulated CPU writes it.
  const form = ["-q", "-t", "ext4", "-O", "^has_journal,^metadata_csum", "-m", "0"];
  await run(["/usr/sbin/mke2fs", ...form, "-d", tree, target, "1500M"]);
}

/** Arguments of QEMU for such a disk, or another image, which is the next /dev/vdX of the guest. */
export function driveArguments(path: string, more = ""): string[] {
  return ["-drive", `if=virtio,format=raw,file=${path}${more}`];
}

async function run(words: string[]): Promise<void> {
  const child = Bun.spawn(words, {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
    env: { ...process.env, LC_ALL: "C" },
  });
  const [stderr, code] = await Promise.all([child.stderr.text(), child.exited]);
  if (code !== 0) throw new Error(`${words[0]} failed: ${words.join(" ")}\n${stderr}`);
}
