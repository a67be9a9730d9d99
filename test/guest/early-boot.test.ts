/** The agent in an initramfs that Debian's initramfs-tools made, and the change to a root on a disk with systemd. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { executable } from "../support/agent-process.ts";
import {
  addCommandsUnit,
  addPackage,
  putFile,
  treeBootTimeoutMs,
  treeKernelArguments,
} from "../support/debian-guest.ts";
import { copyDebianTree, driveArguments, treeFolder, whyNoDebianTree, writeTreeDisk } from "../support/debian-tree.ts";
import { guestTestTimeoutMs } from "../support/describe-guest.ts";
import { bootGuest, guestHookTimeoutMs, whyNoGuest } from "../support/guest.ts";
import type { Guest } from "../support/guest-handle.ts";
import { HostEnds } from "../support/host-ends.ts";
import { findKernel } from "../support/kernel.ts";
import { unpackedPackage } from "../support/packages.ts";
import { tracesMarker } from "../support/trace-marker.ts";

const reason = (await whyNoGuest("6.12")) ?? (await whyNoDebianTree());
if (reason !== undefined) console.log(`skipped: the agent in the initramfs: ${reason}`);

const initramfsPackages = ["initramfs-tools", "initramfs-tools-core", "klibc-utils", "libklibc", "busybox", "cpio"];

/** systemctl takes an emulated CPU from what it waits for. */
const serviceIsActive = 'until [ "$(systemctl is-active trace-agent)" = active ]; do sleep 2; done';

function run(...words: string[]): void {
  const { exitCode, stdout, stderr } = Bun.spawnSync(words, {
    env: { ...process.env, LC_ALL: "C", PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
  });
  if (exitCode !== 0) throw new Error(`${words.join(" ")}\n${stdout.toString()}${stderr.toString()}`);
}

describe.skipIf(reason !== undefined)("the agent in the initramfs", () => {
  let folder = "";
  let guest: Guest;

  beforeAll(async () => {
    folder = treeFolder();
    const tree = join(folder, "tree");
    const kernel = await findKernel("6.12");
    await copyDebianTree(tree);
    addCommandsUnit(tree);
    for (const name of initramfsPackages) addPackage(tree, await unpackedPackage(name));
    putFile(tree, "etc/initramfs-tools/conf.d/test", "MODULES=list\nCOMPRESS=gzip\n");
    putFile(tree, "etc/initramfs-tools/modules", "virtio_blk\next4\n");
    // What mkinitramfs prefers to gzip. A kernel takes it unpacked as well, and an emulated one would take long to unpack it.
    putFile(tree, "usr/bin/pigz", '#!/bin/sh\nexec cat "$2"\n', 0o755);
    run(executable, "install", "--root", tree, "--early-boot");
    mkdirSync(join(tree, "boot"), { recursive: true });
    putFile(tree, `boot/config-${kernel.release}`, "CONFIG_RD_GZIP=y\n");
    run("chroot", tree, "mkinitramfs", "-o", "/initrd", kernel.release);
    const initramfs = join(folder, "initrd");
    renameSync(join(tree, "initrd"), initramfs);
    const disk = join(folder, "disk");
    await writeTreeDisk(tree, disk);
    guest = await bootGuest({
      kernel: "6.12",
      initramfs,
      memoryMb: 1024,
      kernelArguments: `root=/dev/vda rw cloud-init=disabled ${treeKernelArguments}`,
      qemuArguments: driveArguments(disk, ",cache=unsafe"),
      bootTimeoutMs: treeBootTimeoutMs,
    });
  }, guestHookTimeoutMs);

  afterAll(async () => {
    await (guest as Guest | undefined)?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test(
    "was started before the root was there, is armed, and lives on under the real root",
    async () => {
      await guest.run("until dmesg | grep -q 'armed: CPUs 0-1'; do sleep 1; done");
      // Its own root is what the script in the initramfs made for it.
      expect(await guest.text("readlink /proc/$(cat /run/trace-agent.early)/root")).toBe("/run/trace-agent/root");
      expect(await guest.text("cat /proc/$(cat /run/trace-agent.early)/comm")).toBe("@trace-agent");
      expect(await guest.text("systemctl show -P ConditionResult -P ActiveState trace-agent")).toBe("inactive\nno");
      expect(await guest.text("trace-agent check")).toMatch(/^ok +control port .*held by @trace-agent/m);
    },
    guestTestTimeoutMs,
  );

  test(
    "traces, and answers what needs the files of tracefs and /proc",
    async () => {
      expect(await tracesMarker(guest, "MARK-early")).toBe(true);
      using ends = new HostEnds(guest, { cpus: [0, 1] });
      await ends.ask("hello early", "hello");
      expect(await ends.ask("set events sched:sched_process_exec", "set")).toMatchObject({ previous: "" });
      expect(await ends.ask("status", "status")).toMatchObject({ state: "armed" });
      expect(await ends.ask("metadata", "metadata")).toMatchObject({ encoding: "gzip" });
    },
    guestTestTimeoutMs,
  );

  test(
    "is watched by systemd: when it ends, the service takes over",
    async () => {
      // A unit of the target that the command loop belongs to.
      await guest.run("until systemctl is-active -q trace-agent-early; do sleep 1; done");
      const early = await guest.text("cat /run/trace-agent.early");
      expect(await guest.text("systemctl show -P ActiveState -P MainPID trace-agent-early")).toBe(`${early}\nactive`);
      await guest.run(`kill -KILL ${early}`);
      await guest.run(serviceIsActive);
      expect(
        await guest.text("cat /run/trace-agent.early; systemctl show -P MainPID trace-agent-early", { mayFail: true }),
      ).toBe("0");
      expect(await tracesMarker(guest, "MARK-taken-over")).toBe(true);
      // What a host had set before the kill (the test above) is restored by the service.
      expect(await guest.text("cat /sys/kernel/tracing/set_event; find /run/trace-agent -maxdepth 1 -type f")).toBe("");
      expect(await guest.text("stat -c %a /run/trace-agent")).toBe("700");
    },
    guestTestTimeoutMs,
  );

  test(
    "does not keep the service away when it ended before systemd knew of it",
    async () => {
      await guest.run(
        "systemctl stop trace-agent; sleep 0.1 & wait $!; echo $! >/run/trace-agent.early; systemctl start trace-agent",
      );
      expect(await guest.text("systemctl show -P ActiveState trace-agent")).toBe("inactive");
      expect((await guest.run("systemctl start trace-agent-early", { mayFail: true })).code).not.toBe(0);
      await guest.run(serviceIsActive);
    },
    guestTestTimeoutMs,
  );

  test(
    "ends, too, when the program is uninstalled",
    async () => {
      await guest.run("systemctl stop trace-agent; cd /usr/local/bin; ln trace-agent @trace-agent");
      await guest.run("cd /usr/local/bin; ./@trace-agent >/dev/null 2>&1 & echo $! >/run/trace-agent.early");
      await guest.run("systemctl start trace-agent-early");
      expect(await guest.text("systemctl is-active trace-agent-early")).toBe("active");
      const { stderr } = await guest.run("trace-agent uninstall");
      expect(stderr).toContain("regenerate the initramfs");
      expect(stderr).not.toContain("warn");
      expect(
        await guest.text("pidof trace-agent @trace-agent; ls /run /etc/systemd/system | grep trace-agent[.-]", {
          mayFail: true,
        }),
      ).toBe("");
    },
    guestTestTimeoutMs,
  );

  test("is the only one: nothing of it stays in the tree after uninstall", () => {
    const tree = join(folder, "tree");
    run(executable, "uninstall", "--root", tree);
    const left = ["etc/initramfs-tools/hooks", "etc/initramfs-tools/scripts/init-premount"].flatMap((path) =>
      readdirSync(join(tree, path)),
    );
    expect(left).toEqual([]);
  });
});
