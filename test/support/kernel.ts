/** The kernels of the test guests: Debian's cloud kernels, unpacked into the cache, and their modules. */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { dependenciesOf, unpackedPackage } from "./packages.ts";

export type KernelName = "6.12" | "6.1";

export type Kernel = {
  name: KernelName;
  /** As `uname -r` says it. */
  release: string;
  /** Path of the bootable image. */
  image: string;
  /** Path of lib/modules/RELEASE. */
  modules: string;
};

/** Packages that depend on the newest image of a series, by Debian's release. */
const metaPackages = ["linux-image-6.12-cloud-amd64", "linux-image-cloud-amd64"];

/** Modules of virtio-serial in the order in which they are inserted; what the kernel has built in is passed over. */
const virtioSerialModules = [
  "virtio_ring",
  "virtio",
  "virtio_pci_legacy_dev",
  "virtio_pci_modern_dev",
  "virtio_pci",
  "virtio_console",
];

/** The kernel, fetched when it is not in the cache. Throws an Error that says why it cannot be had. */
export async function findKernel(name: KernelName): Promise<Kernel> {
  const root = await unpackedPackage(`kernel-${name}-cloud-amd64`, () => newestImage(name));
  const [release] = readdirSync(join(root, "lib/modules"));
  if (release === undefined) throw new Error(`no lib/modules in ${root}`);
  return { name, release, image: join(root, `boot/vmlinuz-${release}`), modules: join(root, "lib/modules", release) };
}

async function newestImage(name: KernelName): Promise<string> {
  const problems: string[] = [];
  for (const meta of metaPackages) {
    try {
      const image = (await dependenciesOf(meta)).find((dependency) => dependency.startsWith(`linux-image-${name}.`));
      if (image !== undefined) return image;
    } catch (error) {
      problems.push(String(error));
    }
  }
  throw new Error([`no package of kernel ${name} among apt's lists`, ...problems].join("\n"));
}

/** The module files to insert for virtio-serial and for `more`, uncompressed, in this order. */
export function moduleFiles(kernel: Kernel, more: string[] = []): { name: string; data: Uint8Array }[] {
  const builtIn = new Set(readFileSync(join(kernel.modules, "modules.builtin"), "latin1").split("\n").map(moduleName));
  const files = readdirSync(join(kernel.modules, "kernel"), { recursive: true, encoding: "utf8" });
  return [...virtioSerialModules, ...more]
    .filter((name) => !builtIn.has(name))
    .map((name) => {
      const file = files.find((path) => moduleName(path) === name);
      if (file === undefined) throw new Error(`kernel ${kernel.release} has no module "${name}"`);
      return { name, data: readModule(join(kernel.modules, "kernel", file)) };
    });
}

/** kernel/drivers/virtio/virtio-rng.ko.xz -> virtio_rng; a folder or another file -> "". */
function moduleName(path: string): string {
  const [, name] = /^(.*)\.ko(\.xz)?$/.exec(basename(path)) ?? [];
  return name?.replaceAll("-", "_") ?? "";
}

function readModule(path: string): Uint8Array {
  if (!path.endsWith(".xz")) return readFileSync(path);
  const { stdout, exitCode, stderr } = Bun.spawnSync(["xz", "-dc", path]);
  if (exitCode !== 0) throw new Error(`cannot unpack ${path}: ${stderr.toString()}`);
  return stdout;
}
