/**
 * Gets all that the tests fetch, before they run: what a machine has not yet takes minutes that say nothing of the tests. What
 * cannot be had is no failure here: the test that needs it is skipped, with the reason.
 */
import { findIngredients } from "../../../ffi/static/executable.ts";
import { unpackedPackages } from "../../../ffi/static/debian-packages.ts";
import { targets } from "../../../ffi/static/targets.ts";
import { messageOf } from "../../../src/base/errors.ts";
import { whyNoArm64 } from "../arm64.ts";
import { whyNoDebianTree } from "../debian-tree.ts";
import { whyNoGuest } from "../guest.ts";
import { kernelNames } from "../kernel.ts";
import { type Tool, tools, unpackedPackage, whyNoTools } from "../packages.ts";
import { findTraceProcessor } from "../perfetto/perfetto.ts";

/** Packages of which tests take files, beside those of kernels and guests. */
const packages = ["libvirt0"];
const guestPackages = ["initramfs-tools", "initramfs-tools-core", "klibc-utils", "libklibc", "busybox", "cpio"];
const openrcPackages = ["openrc", "librc1", "libeinfo1"];

/** Gets each in turn; gives the reasons of what cannot be had. */
export async function fetchAll(options: { guests: boolean }): Promise<string[]> {
  const reasons: string[] = [];
  const get = async (what: string, work: () => unknown): Promise<void> => {
    try {
      const reason = await work();
      if (typeof reason === "string") reasons.push(`${what}: ${reason}`);
    } catch (error) {
      reasons.push(`${what}: ${messageOf(error)}`);
    }
  };
  await get("programs", () => whyNoTools(...(Object.keys(tools) as Tool[])));
  await get("what the executables are made of", () => {
    for (const target of Object.values(targets)) findIngredients(target);
  });
  await get("musl", () => void unpackedPackages(process.arch === "arm64" ? "arm64" : "amd64", ["musl"]));
  await get("trace_processor", () => {
    const found = findTraceProcessor();
    return "reason" in found ? found.reason : undefined;
  });
  await get("a Debian tree", whyNoDebianTree);
  for (const name of [...packages, ...(options.guests ? [...guestPackages, ...openrcPackages] : [])])
    await get(`package ${name}`, async () => void (await unpackedPackage(name)));
  if (!options.guests) return reasons;
  for (const name of kernelNames) await get(`a guest with kernel ${name}`, () => whyNoGuest(name));
  await get("an arm64 guest", whyNoArm64);
  return reasons;
}
