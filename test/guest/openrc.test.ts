/**
 * The service under OpenRC, started by BusyBox' init as in Alpine, and the init script that BusyBox' rcS runs as in
 * Buildroot. Alpine itself is not here: OpenRC is Debian's, on Debian's tree.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ImageRoot } from "../../src/install/image-root.ts";
import { serviceFiles } from "../../src/install/init.ts";
import { controlPortName } from "../../src/protocol/ports.ts";
import { executable } from "../support/agent-process.ts";
import { addPackage, bootTree, putFile } from "../support/debian-guest.ts";
import { copyDebianTree, treeFolder, whyNoDebianTree } from "../support/debian-tree.ts";
import { describeWithGuest, guestTestTimeoutMs } from "../support/describe-guest.ts";
import { guestHookTimeoutMs, whyNoGuest } from "../support/guest.ts";
import type { Guest } from "../support/guest-handle.ts";
import { unpackedPackage } from "../support/packages.ts";
import { unplugPort } from "../support/port-plug.ts";
import { tracesMarker } from "../support/trace-marker.ts";

/** The process that runs the agent, once it holds its port; another one than `before`. */
async function agentPid(guest: Guest, before = "0"): Promise<string> {
  const find = `pid=$(pidof trace-agent) && [ "$pid" != ${before} ] && ls -l /proc/$pid/fd | grep -q /dev/vport`;
  return await guest.text(`until ${find}; do usleep 300000; done; echo $pid`);
}

const reason = (await whyNoGuest("6.12")) ?? (await whyNoDebianTree());
if (reason !== undefined) console.log(`skipped: the service under OpenRC: ${reason}`);

/** What an initramfs leaves: an agent of that name, and its process id. A second name of one file: for an emulated CPU it is one program. */
const startEarlyAgent = `cd /usr/local/bin; [ -e @trace-agent ] || ln trace-agent @trace-agent; ./@trace-agent >/dev/null 2>&1 &
echo $! >/run/trace-agent.early
until ls -l /proc/$!/fd | grep -q /dev/vport; do usleep 300000; done`;

const inittab = `::sysinit:/etc/setup
::sysinit:/sbin/openrc sysinit
::sysinit:/sbin/openrc boot
::respawn:/etc/commands
::wait:/sbin/openrc default
`;
const setup = `#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /run
mkdir -p /run/commands
`;

describe.skipIf(reason !== undefined)("the service under OpenRC", () => {
  let folder = "";
  let guest: Guest;

  beforeAll(async () => {
    folder = treeFolder();
    const tree = join(folder, "tree");
    await copyDebianTree(tree);
    for (const name of ["openrc", "librc1", "libeinfo1"]) addPackage(tree, await unpackedPackage(name));
    for (const level of ["sysinit", "boot", "default", "shutdown"])
      mkdirSync(join(tree, "etc/runlevels", level), { recursive: true });
    rmSync(join(tree, "usr/sbin/init"));
    symlinkSync("../bin/busybox", join(tree, "usr/sbin/init"));
    putFile(tree, "etc/inittab", inittab);
    putFile(tree, "etc/setup", setup, 0o755);
    const installed = Bun.spawnSync([executable, "install", "--root", tree, "--init", "openrc"]);
    expect(installed.stderr.toString()).toContain("enabled for openrc");
    guest = await bootTree(tree);
  }, guestHookTimeoutMs);

  afterAll(async () => {
    await (guest as Guest | undefined)?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test(
    "comes up by itself in the default runlevel, and traces",
    async () => {
      await agentPid(guest);
      // OpenRC may note it later than the agent has its port.
      await guest.run("until rc-service trace-agent status | grep -q started; do usleep 300000; done");
      expect(await tracesMarker(guest, "MARK-1")).toBe(true);
    },
    guestTestTimeoutMs,
  );

  test(
    "comes back when it is killed, and ends when it is stopped",
    async () => {
      const before = await agentPid(guest);
      await guest.run(`kill -KILL ${before}`);
      await agentPid(guest, before);
      expect(await tracesMarker(guest, "MARK-2")).toBe(true);
      await guest.run("rc-service trace-agent stop");
      expect(await guest.text("pidof trace-agent", { mayFail: true })).toBe("");
    },
    guestTestTimeoutMs,
  );

  test(
    "leaves the ports to an agent of the initramfs, and takes them over when it ends",
    async () => {
      await guest.run(startEarlyAgent);
      await guest.run("rc-service trace-agent start");
      // One that does not wait for the early agent would run at once.
      await guest.run("sleep 2");
      expect(await guest.text("pidof trace-agent", { mayFail: true })).toBe("");
      expect(await guest.text("rc-service trace-agent status")).toContain("started");
      await guest.run("kill -KILL $(cat /run/trace-agent.early)");
      await agentPid(guest);
      expect(await tracesMarker(guest, "MARK-3")).toBe(true);
      await guest.run("rc-service trace-agent stop");
      expect(await guest.text("pidof trace-agent supervise-daemon", { mayFail: true })).toBe("");
    },
    guestTestTimeoutMs,
  );

  test(
    "says what is missing where there is no port, and does not try",
    async () => {
      await unplugPort(guest, controlPortName);
      const { code, stdout, stderr } = await guest.run("rc-service trace-agent start", { mayFail: true });
      expect(code).not.toBe(0);
      expect(stdout + stderr).toContain("this VM has no port agent-ctl-path");
      expect(await guest.text("pidof trace-agent supervise-daemon", { mayFail: true })).toBe("");
    },
    guestTestTimeoutMs,
  );
});

/** The script as it is written into a tree without runlevel directories. */
const scratch = mkdtempSync(join(tmpdir(), "trace-agent-sysv-"));
const busyboxScript = "/etc/init.d/S60trace-agent";
for (const { path, content, mode } of serviceFiles("sysv", new ImageRoot(scratch)).files)
  putFile(scratch, path, content, mode);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const files = {
  "/usr/local/bin/trace-agent": executable,
  "/usr/local/bin/@trace-agent": executable,
  [busyboxScript]: join(scratch, busyboxScript),
};

await describeWithGuest("the init script under BusyBox", { kernel: "6.12", files }, (guest) => {
  test(
    "starts the agent, starts it again when it is killed, and stops it",
    async () => {
      // As rcS does: it does not wait for what the script leaves behind.
      expect(await guest().text(`${busyboxScript} start >/dev/null 2>&1; ${busyboxScript} status`)).toBe(
        "trace-agent is running",
      );
      const before = await agentPid(guest());
      expect(await tracesMarker(guest(), "MARK-1")).toBe(true);
      await guest().run(`${busyboxScript} start`);
      await guest().run(`kill -KILL ${before}`);
      await agentPid(guest(), before);
      expect(await tracesMarker(guest(), "MARK-2")).toBe(true);
      await guest().run(`${busyboxScript} stop`);
      expect(await guest().text("pidof trace-agent", { mayFail: true })).toBe("");
      expect((await guest().run(`${busyboxScript} status`, { mayFail: true })).code).toBe(3);
    },
    guestTestTimeoutMs,
  );

  test(
    "leaves the ports to an agent of the initramfs, and takes them over when it ends",
    async () => {
      await guest().run(startEarlyAgent);
      await guest().run(`${busyboxScript} start >/dev/null 2>&1`);
      // One that does not wait for the early agent would run at once.
      await guest().run("sleep 2");
      expect(await guest().text("pidof trace-agent", { mayFail: true })).toBe("");
      await guest().run("kill -KILL $(cat /run/trace-agent.early)");
      await agentPid(guest());
      expect(await tracesMarker(guest(), "MARK-3")).toBe(true);
      await guest().run(`${busyboxScript} stop`);
      expect(await guest().text("pidof trace-agent", { mayFail: true })).toBe("");
    },
    guestTestTimeoutMs,
  );
});
