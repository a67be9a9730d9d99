/** The service behind an initramfs that runs systemd, as those of dracut and mkosi do: it has seen the port before the root was there. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { executable } from "../support/agent-process.ts";
import { addCommandsUnit, bootTree, prepareTree, putFile } from "../support/debian-guest.ts";
import { copyDebianTree, treeFolder, whyNoDebianTree } from "../support/debian-tree.ts";
import { guestTestTimeoutMs } from "../support/describe-guest.ts";
import { guestHookTimeoutMs, whyNoGuest } from "../support/guest.ts";
import type { Guest } from "../support/guest-handle.ts";
import { findKernel } from "../support/kernel.ts";
import { tracesMarker } from "../support/trace-marker.ts";

const reason = (await whyNoGuest("6.12")) ?? (await whyNoDebianTree());
if (reason !== undefined) console.log(`skipped: the service behind an initramfs with systemd: ${reason}`);

const firstProgram = `#!/bin/sh
modprobe -a virtio_blk ext4 virtio_console
exec /sbin/init
`;

function run(...words: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(words);
  if (exitCode !== 0) throw new Error(`${words.join(" ")}\n${stderr.toString()}`);
}

describe.skipIf(reason !== undefined)("the service behind an initramfs with systemd", () => {
  let folder = "";
  let guest: Guest;

  beforeAll(async () => {
    folder = treeFolder();
    const tree = join(folder, "tree");
    const kernel = await findKernel("6.12");
    await copyDebianTree(tree);
    cpSync(kernel.modules, join(tree, "usr/lib/modules", kernel.release), { recursive: true });
    await prepareTree(tree);
    const initramfs = join(folder, "initramfs-tree");
    run("cp", "-al", tree, initramfs);
    putFile(initramfs, "etc/initrd-release", "ID=test\n");
    putFile(initramfs, "etc/first", firstProgram, 0o755);
    addCommandsUnit(tree);
    run(executable, "install", "--root", tree);
    const disk = join(folder, "disk");
    run("mke2fs", "-q", "-t", "ext4", "-d", tree, disk, "1500M");
    guest = await bootTree(initramfs, {
      kernelArguments: "root=/dev/vda rw cloud-init=disabled",
      qemuArguments: ["-drive", `if=virtio,format=raw,snapshot=on,file=${disk}`],
    });
  }, guestHookTimeoutMs);

  afterAll(async () => {
    await (guest as Guest | undefined)?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test("comes up by itself, and traces", async () => {
    // The initramfs did run systemd.
    expect(await guest.text("journalctl -b -o cat | grep -c 'Switching root'")).not.toBe("0");
    await guest.run('until [ "$(systemctl is-active trace-agent)" = active ]; do sleep 0.3; done', { timeoutMs: 120_000 });
    expect(await tracesMarker(guest, "MARK-switched")).toBe(true);
  }, guestTestTimeoutMs);

  test("does not come up where it is disabled", async () => {
    await guest.run("systemctl disable --now trace-agent");
    await guest.run("udevadm trigger --action=add --settle --subsystem-match=virtio-ports");
    await guest.run("sleep 3");
    expect(await guest.text("systemctl show -P ActiveState trace-agent")).toBe("inactive");
  }, guestTestTimeoutMs);
});
