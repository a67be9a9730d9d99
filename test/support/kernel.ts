/** The kernels of the test guests: the cloud kernels of Debian 11, 12 and 13, unpacked into the cache, and their modules. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { releaseSettings } from "./debian-release.ts";
import { dependenciesOf, type PackageSource, unpackedPackage } from "./packages.ts";

/** The kernels, with the release of Debian whose own each is. */
const releases = { "6.12": "trixie", "6.1": "bookworm", "5.10": "bullseye" } as const;
export type KernelName = keyof typeof releases;
export const kernelNames = Object.keys(releases) as KernelName[];

export type Kernel = {
  name: KernelName;
  /** As `uname -r` says it. */
  release: string;
  /** Path of the bootable image. */
  image: string;
  /** Path of the folder lib/modules/RELEASE. */
  modules: string;
};

/** Packages that depend on the newest image of a series. */
const metaPackages = ["linux-image-6.12-cloud-amd64", "linux-image-cloud-amd64"];

/** Where a package of a kernel has its modules: Debian moved them below /usr. */
const modulePlaces = ["lib/modules", "usr/lib/modules"];

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
  const modules = modulePlaces.map((place) => join(root, place)).find((folder) => existsSync(folder));
  const [release] = modules === undefined ? [] : readdirSync(modules);
  if (modules === undefined || release === undefined) throw new Error(`no ${modulePlaces.join(" or ")} in ${root}`);
  return { name, release, image: join(root, `boot/vmlinuz-${release}`), modules: join(modules, release) };
}

/** By this machine's own package lists, or by those of the release whose kernel it is. */
async function newestImage(name: KernelName): Promise<PackageSource> {
  const problems: string[] = [];
  for (const settingsOf of [(): Promise<string[]> => Promise.resolve([]), () => releaseSettings(releases[name])]) {
    try {
      const settings = await settingsOf();
      for (const meta of metaPackages) {
        const images = await dependenciesOf({ name: meta, settings }).catch(() => []);
        const image = images.find((dependency) => dependency.startsWith(`linux-image-${name}.`));
        if (image !== undefined) return { name: image, settings };
      }
    } catch (error) {
      problems.push(String(error));
    }
  }
  throw new Error([`no package of kernel ${name} among apt's lists`, ...problems].join("\n"));
}

/** Older kernels have these two as parts of virtio_pci. */
const partsOfVirtioPci = new Set(["virtio_pci_legacy_dev", "virtio_pci_modern_dev"]);

/** The module files to insert for virtio-serial and for `more`, uncompressed, in this order. */
export function moduleFiles(kernel: Kernel, more: string[] = []): { name: string; data: Uint8Array }[] {
  const builtIn = new Set(readFileSync(join(kernel.modules, "modules.builtin"), "latin1").split("\n").map(moduleName));
  const files = readdirSync(join(kernel.modules, "kernel"), { recursive: true, encoding: "utf8" });
  const pathOf = (name: string): string | undefined => files.find((path) => moduleName(path) === name);
  return [...virtioSerialModules, ...more]
    .filter((name) => !builtIn.has(name) && !(partsOfVirtioPci.has(name) && pathOf(name) === undefined))
    .map((name) => {
      const file = pathOf(name);
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
