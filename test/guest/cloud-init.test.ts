/** The seed image in a guest with Debian's cloud-init: its user-data is run by cloud-init itself, at boot. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { executable } from "../support/agent-process.ts";
import { addCommandsUnit, bootTree, prepareTree, putFile } from "../support/debian-guest.ts";
import { copyDebianTree, treeFolder, whyNoDebianTree } from "../support/debian-tree.ts";
import { guestHookTimeoutMs, whyNoGuest } from "../support/guest.ts";
import type { Guest } from "../support/guest-handle.ts";
import { whyNoTools } from "../support/packages.ts";
import { tracesMarker } from "../support/trace-marker.ts";

const reason = (await whyNoGuest("6.12")) ?? (await whyNoDebianTree()) ?? (await whyNoTools("genisoimage"));
if (reason !== undefined) console.log(`skipped: the seed image in a guest: ${reason}`);

/** cloud-init is some seconds of Python, times fifty under emulation. */
const cloudInitTimeoutMs = 600_000;

describe.skipIf(reason !== undefined)("a guest that boots with the seed image", () => {
  let folder = "";
  let guest: Guest;

  beforeAll(async () => {
    folder = treeFolder();
    const tree = join(folder, "tree");
    const seed = join(folder, "seed.iso");
    await copyDebianTree(tree);
    await prepareTree(tree);
    addCommandsUnit(tree);
    // The tree has no other locale, and cloud-init's own default would be an error.
    putFile(tree, "etc/cloud/cloud.cfg.d/99-test.cfg", "locale: C.UTF-8\n");
    const made = Bun.spawnSync([executable, "cloud-init", "--seed", seed]);
    expect(made.stderr.toString()).toContain("seed.iso: made");
    guest = await bootTree(tree, { qemuArguments: ["-drive", `if=virtio,format=raw,readonly=on,file=${seed}`] });
  }, guestHookTimeoutMs);

  afterAll(async () => {
    await (guest as Guest | undefined)?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test("has the agent installed, checked and armed when cloud-init has finished, and traces", async () => {
    const status = await guest.run("cloud-init status --wait --long", { timeoutMs: cloudInitTimeoutMs, mayFail: true });
    const output = await guest.text("cat /var/log/cloud-init-output.log", { mayFail: true });
    expect(`${status.stdout}${output}`).toContain("status: done");
    expect(output).toContain("/usr/local/bin/.trace-agent.new: OK");
    expect(output).toContain("trace-agent: enabled for systemd");
    expect(output).not.toContain("Invalid cloud-config");
    await guest.run(`until systemctl is-active -q trace-agent; do sleep 0.3; done`, { timeoutMs: 120_000 });
    expect(await guest.text("ls -A /usr/local/bin; grep -c iso9660 /proc/mounts", { mayFail: true })).toBe("trace-agent\n0");
    expect(await tracesMarker(guest, "MARK-cloud")).toBe(true);
  }, cloudInitTimeoutMs);
});
