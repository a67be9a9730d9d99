/** The seed image in a guest with Debian's cloud-init: its user-data is run by cloud-init itself, at boot. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { executable } from "../support/agent-process.ts";
import { addCommandsUnit, bootTree, putFile } from "../support/debian-guest.ts";
import { copyDebianTree, treeFolder, whyNoDebianTree } from "../support/debian-tree.ts";
import { guestHookTimeoutMs, whyNoGuest } from "../support/guest.ts";
import type { Guest } from "../support/guest-handle.ts";
import { whyNoTools } from "../support/packages.ts";
import { tracesMarker } from "../support/trace-marker.ts";

const reason = (await whyNoGuest("6.12")) ?? (await whyNoDebianTree()) ?? (await whyNoTools("genisoimage"));
if (reason !== undefined) console.log(`skipped: the seed image in a guest: ${reason}`);

/** Of cloud-init's modules those that the user-data needs: the others are Python that only costs, times fifty. */
const cloudSettings = `datasource_list: [NoCloud]
cloud_init_modules: [write-files]
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts-user]
`;

const seedDiskBytes = 256 * 2 ** 20;

/** cloud-init is some seconds of Python, times fifty under emulation. */
const cloudInitTimeoutMs = 1_200_000;

describe.skipIf(reason !== undefined)("a guest that boots with the seed image", () => {
  let folder = "";
  let guest: Guest;

  beforeAll(async () => {
    folder = treeFolder();
    const tree = join(folder, "tree");
    const seed = join(folder, "seed.iso");
    await copyDebianTree(tree);
    addCommandsUnit(tree);
    putFile(tree, "etc/cloud/cloud.cfg.d/99-test.cfg", cloudSettings);
    const made = Bun.spawnSync([executable, "cloud-init", "--seed", seed]);
    expect(made.stderr.toString()).toContain("seed.iso: made");
    // A kept guest knows the size of its disks, so it is the same whatever the program's.
    truncateSync(seed, seedDiskBytes);
    guest = await bootTree(tree, { disks: [seed] });
  }, guestHookTimeoutMs);

  afterAll(async () => {
    await (guest as Guest | undefined)?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test(
    "has the agent installed, checked and armed when cloud-init has finished, and traces",
    async () => {
      // What `cloud-init status --wait` waits for; that is a Python program more.
      const result = await guest.text(
        "until [ -s /run/cloud-init/result.json ]; do usleep 300000; done; cat /run/cloud-init/result.json",
        { timeoutMs: cloudInitTimeoutMs },
      );
      const output = await guest.text("cat /var/log/cloud-init-output.log", { mayFail: true });
      expect({ result: JSON.parse(result) as unknown, output }).toMatchObject({
        result: { v1: { datasource: expect.stringContaining("NoCloud"), errors: [] } },
      });
      expect(output).toContain("/usr/local/bin/.trace-agent.new: OK");
      expect(output).toContain("trace-agent: enabled for systemd");
      expect(output).not.toContain("Invalid cloud-config");
      await guest.run(`until systemctl is-active -q trace-agent; do sleep 2; done`);
      expect(await guest.text("ls -A /usr/local/bin; grep -c iso9660 /proc/mounts", { mayFail: true })).toBe(
        "trace-agent\n0",
      );
      expect(await tracesMarker(guest, "MARK-cloud")).toBe(true);
    },
    cloudInitTimeoutMs,
  );
});
