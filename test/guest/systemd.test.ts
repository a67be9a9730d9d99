/**
 * The service in a guest that boots a real systemd: installed into its tree before, never touched by hand. The initramfs runs
 * systemd too, as those of dracut and mkosi do, so that the service's port was seen before its root was there.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { linkSync, rmSync } from "node:fs";
import { join } from "node:path";
import { controlPortName } from "../../src/protocol/ports.ts";
import { executable } from "../support/agent-process.ts";
import { addCommandsUnit, bootTreeBySystemd } from "../support/debian-guest.ts";
import { copyDebianTree, treeFolder, whyNoDebianTree } from "../support/debian-tree.ts";
import { guestTestTimeoutMs } from "../support/describe-guest.ts";
import { guestHookTimeoutMs, whyNoGuest } from "../support/guest.ts";
import type { Guest } from "../support/guest-handle.ts";
import { HostEnds } from "../support/host-ends.ts";
import { plugPort, unplugPort } from "../support/port-plug.ts";
import { tracesMarker } from "../support/trace-marker.ts";

const reason = (await whyNoGuest("6.12")) ?? (await whyNoDebianTree());
if (reason !== undefined) console.log(`skipped: the service under systemd: ${reason}`);

const unit = "trace-agent.service";
/** Of the control port, as systemd escapes its path. */
const portDevice = "dev-virtio\\x2dports-agent\\x2dctl\\x2dpath.device";

describe.skipIf(reason !== undefined)("the service under systemd", () => {
  let folder = "";
  let guest: Guest;

  const show = (property: string): Promise<string> => guest.text(`systemctl show -P ${property} ${unit}`);
  /** Until the service is in that state; what it says is shown where it does not get there. Asked too often, systemctl takes the CPU. */
  const becomes = async (state: string): Promise<void> => {
    const wait = `until [ "$(systemctl is-active ${unit})" = ${state} ]; do sleep 2; done`;
    const { code } = await guest.run(wait, { mayFail: true });
    if (code === 0) return;
    throw new Error(
      `${unit} is not ${state}\n${await guest.text(`systemctl status ${unit}; journalctl -u ${unit}`, { mayFail: true })}`,
    );
  };
  beforeAll(async () => {
    folder = treeFolder();
    const tree = join(folder, "tree");
    await copyDebianTree(tree);
    addCommandsUnit(tree);
    const installed = Bun.spawnSync([executable, "install", "--root", tree]);
    expect(installed.stderr.toString()).toContain("enabled for systemd");
    // A second name of one file: for an emulated CPU it is one program.
    linkSync(join(tree, "usr/local/bin/trace-agent"), join(tree, "usr/bin/copy-of-trace-agent"));
    guest = await bootTreeBySystemd(tree, { kernelArguments: "cloud-init=disabled" });
  }, guestHookTimeoutMs);

  afterAll(async () => {
    await (guest as Guest | undefined)?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test(
    "was there when the systemd of the initramfs had handed over",
    async () => {
      expect(await guest.text("journalctl -b -o cat | grep -c 'Switching root'")).not.toBe("0");
      await becomes("active");
    },
    guestTestTimeoutMs,
  );

  test(
    "comes up by itself and tells systemd that it is armed, and lives",
    async () => {
      await becomes("active");
      expect(await show("StatusText")).toBe("armed: CPUs 0-1 on /sys/kernel/tracing");
      expect(Number(await show("WatchdogTimestampMonotonic"))).toBeGreaterThan(0);
      expect(await show("NRestarts")).toBe("0");
      // The journal is written behind.
      await guest.run(`until journalctl -u ${unit} -o cat -p 6..6 | grep -q 'armed: CPUs 0-1'; do sleep 1; done`);
    },
    guestTestTimeoutMs,
  );

  test(
    "pleases systemd's own judges",
    async () => {
      expect(await guest.run(`systemd-analyze verify ${unit}`)).toMatchObject({ stdout: "", stderr: "" });
      const security = await guest.text(`systemd-analyze security ${unit}`);
      expect(Number(/exposure level for trace-agent.service: ([\d.]+)/.exec(security)?.[1])).toBeLessThanOrEqual(2);
    },
    guestTestTimeoutMs,
  );

  test(
    "traces for the host, and what the host sets and asks for works in its confinement",
    async () => {
      expect(await tracesMarker(guest, "MARK-1")).toBe(true);
      using ends = new HostEnds(guest, { cpus: [0, 1] });
      expect(await ends.ask("set events sched:sched_process_exec", "set")).toMatchObject({
        value: "sched:sched_process_exec",
        previous: "",
      });
      expect(await ends.ask("set buffer_size_kb 2000", "set")).toMatchObject({ value: "2000" });
      expect(await ends.ask("status", "status")).toMatchObject({ state: "armed" });
      expect(await ends.ask("metadata", "metadata")).toMatchObject({ encoding: "gzip" });
      expect(await guest.text("cat /sys/kernel/tracing/set_event")).toBe("sched:sched_process_exec");
      // CAP_SYSLOG is what shows it the kernel's addresses.
      expect(await guest.text(`grep CapEff /proc/$(systemctl show -P MainPID ${unit})/status`)).toContain(
        "0000000401000000",
      );
    },
    guestTestTimeoutMs,
  );

  test(
    "is killed, comes back, and puts back what a host had set in the one that was killed",
    async () => {
      const ends = new HostEnds(guest, { cpus: [0, 1] });
      for (const order of ["set lease 3600", "set events sched:sched_process_exec", "set clock mono"])
        await ends.ask(order, "set");
      ends.close();
      expect(await guest.text("find /run/trace-agent -type f -perm 600")).toMatch(/^\/run\/trace-agent\/\d+-\d+$/);
      const before = await show("MainPID");
      await guest.run(`kill -KILL ${before}`);
      await guest.run(`until [ "$(systemctl show -P NRestarts ${unit})" = 1 ]; do sleep 2; done`);
      await becomes("active");
      expect(await show("MainPID")).not.toBe(before);
      expect(await guest.text("cat /sys/kernel/tracing/set_event; find /run/trace-agent -type f")).toBe("");
      expect(await guest.text("grep -o '.local.' /sys/kernel/tracing/trace_clock")).toBe("[local]");
      expect(await guest.text("stat -c '%a %U' /run/trace-agent")).toBe("700 root");
      expect(await tracesMarker(guest, "MARK-2")).toBe(true);
    },
    guestTestTimeoutMs,
  );

  test(
    "stops when its port is unplugged, and leaves the machine alone",
    async () => {
      await unplugPort(guest, controlPortName);
      await becomes("inactive");
      const starts = await guest.text(`journalctl -u ${unit} -o cat | grep -c ^Starting`);
      const check = await guest.run("trace-agent check", { mayFail: true });
      expect(check.code).toBe(69);
      expect(check.stdout).toMatch(/^failure +control port +no port named "agent-ctl-path"/m);
      // Three times as long as systemd waits before it starts a service again.
      await guest.run("sleep 3");
      expect(await show("ActiveState")).toBe("inactive");
      expect(await guest.text(`journalctl -u ${unit} -o cat | grep -c ^Starting`)).toBe(starts);
    },
    guestTestTimeoutMs,
  );

  test(
    "does not come up where it is disabled, though its port is plugged in",
    async () => {
      await guest.run(`systemctl disable ${unit}`);
      await plugPort(guest, controlPortName, 1);
      // When systemd has the device, it has ordered all that is wanted by it.
      await guest.run(`until systemctl is-active -q '${portDevice}'; do sleep 1; done; sleep 1`);
      expect(await show("ActiveState")).toBe("inactive");
      expect(await guest.text(`journalctl -u ${unit} -o cat | tail -n 1`)).not.toContain("Starting");
    },
    guestTestTimeoutMs,
  );

  test(
    "starts when its port is plugged in again",
    async () => {
      await unplugPort(guest, controlPortName);
      await guest.run(`systemctl enable ${unit}`);
      await plugPort(guest, controlPortName, 1);
      await becomes("active");
      expect(await tracesMarker(guest, "MARK-3")).toBe(true);
    },
    guestTestTimeoutMs,
  );

  test(
    "check names what is broken while it is broken",
    async () => {
      const check = async (): Promise<string> =>
        (await guest.run("trace-agent check", { mayFail: true })).stdout.replaceAll(/ {2,}/g, " ");
      expect(await check()).toMatch(/^ok control port .*held by trace-agent \(pid \d+\): the agent runs$/m);
      await guest.run(`systemctl stop ${unit}`);
      await guest.run(
        `sleep 600 <>/dev/virtio-ports/agent-ctl-path >/dev/null 2>&1 & echo $! >/run/holder
         until grep -qx sleep /proc/$!/comm; do usleep 50000; done`,
      );
      expect(await check()).toMatch(/^failure control port .* is held by sleep \(pid \d+\); end that program$/m);
      await guest.run("kill $(cat /run/holder)");
      await guest.run("mount -o remount,ro /sys/kernel/tracing");
      expect(await check()).toMatch(/^warning tracefs .*cannot be written \(EROFS\).*; it is mounted read-only/m);
      await guest.run("mount -o remount,rw /sys/kernel/tracing");
      await guest.run("umount /sys/kernel/tracing && umount /sys/kernel/debug");
      expect(await check()).toMatch(/^failure tracefs not mounted .*; mount it with: mount -t tracefs/m);
      await guest.run("mount -t tracefs nodev /sys/kernel/tracing");
      await guest.run("sysctl -qw kernel.kptr_restrict=2");
      expect(await check()).toMatch(/^warning kernel symbols .*hidden.*; sysctl kernel.kptr_restrict=1$/m);
      await guest.run(`sysctl -qw kernel.kptr_restrict=0; systemctl start ${unit}`);
      await becomes("active");
    },
    guestTestTimeoutMs,
  );

  test(
    "runs the recorder of a host, which takes a changed file and refuses a wrong one",
    async () => {
      const recorder = "trace-agent-recorder.service";
      const file = "/etc/trace-agent/record.toml";
      const says = (text: string): string =>
        `until journalctl -u ${recorder} -o cat | grep -q '${text}'; do sleep 1; done`;
      expect((await guest.run("trace-agent install --recorder")).stderr).not.toContain("warning");
      await guest.run(`until systemctl is-active -q ${recorder}; do sleep 1; done`);
      expect(await guest.run(`systemd-analyze verify ${recorder}`)).toMatchObject({ stdout: "", stderr: "" });
      const security = await guest.text(`systemd-analyze security ${recorder}`);
      expect(Number(/exposure level for \S+: ([\d.]+)/.exec(security)?.[1])).toBeLessThanOrEqual(3);
      await guest.run(
        `until systemctl show -P StatusText ${recorder} | grep '^recording 0 machines'; do sleep 1; done`,
      );
      const pid = await guest.text(`systemctl show -P MainPID ${recorder}`);
      await guest.run(`cp ${file} /run/record.toml; echo 'rotate = "10m"' >${file}; systemctl reload ${recorder}`);
      await guest.run(says("10M or 10min"));
      await guest.run(`sed s/1G/2G/ /run/record.toml >${file}; systemctl reload ${recorder}`);
      await guest.run(says("the recording goes on as it says"));
      await guest.run(`until trace-agent status /var/lib/trace-agent/recordings; do sleep 1; done`);
      expect(await guest.text(`systemctl show -P MainPID ${recorder}`)).toBe(pid);
      await guest.run(`systemctl stop ${recorder}`);
      expect(await guest.text(`systemctl show -P Result,ExecMainStatus ${recorder}`)).toBe("success\n0");
      await guest.run(`mv /run/record.toml ${file}`);
    },
    guestTestTimeoutMs,
  );

  test(
    "uninstall takes it away, install brings it back, in the running system",
    async () => {
      await guest.run("trace-agent uninstall");
      expect(
        await guest.text(`systemctl is-active ${unit}; ls /usr/local/bin /etc/systemd/system /etc | grep trace`, {
          mayFail: true,
        }),
      ).toBe("inactive");
      const { stderr } = await guest.run("copy-of-trace-agent install");
      expect(stderr).toContain("/usr/local/bin/trace-agent: made");
      expect(stderr).not.toContain("warning");
      await becomes("active");
      expect(await tracesMarker(guest, "MARK-4")).toBe(true);
    },
    guestTestTimeoutMs,
  );
});
