/** Who holds a guest's FIFOs. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { holders } from "../../src/check/host-ends.ts";
import { findHostPorts } from "../../src/host/guest-directory.ts";
import { makeGuestDirectory } from "../../src/host/setup/setup.ts";
import { planSetup } from "../../src/host/setup/setup-plan.ts";
import { inQuickForm } from "../support/quick.ts";

const folder = mkdtempSync(`${tmpdir()}/ta-host-ends-`);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Holds all FIFOs of the directory as a VM does, and opens and closes files without a pause. */
const busyHolder = `
  const fs = require("node:fs");
  const [, directory] = process.argv;
  for (const name of fs.readdirSync(directory)) if (/\\.(in|out)$/.test(name)) fs.openSync(directory + "/" + name, "r+");
  process.stdout.write("ready");
  for (;;) for (const fd of Array.from({ length: 50 }, () => fs.openSync("/dev/null", "r"))) fs.closeSync(fd);
`;

test("a removed FIFO is seen in a process that opens and closes files all the time", async () => {
  const path = `${folder}/vm`;
  makeGuestDirectory(path, planSetup(1), "fifo", undefined);
  const holder = Bun.spawn([process.execPath, "-e", busyHolder, path], { stdout: "pipe" });
  try {
    await holder.stdout.getReader().read();
    rmSync(`${path}/trace-path-cpu0.out`);
    makeGuestDirectory(path, planSetup(1), "fifo", undefined);
    const ports = findHostPorts({ guest: "vm", path });
    for (let look = 0; look < inQuickForm(20, 50); look++)
      expect(holders(ports)).toMatchObject({ vm: { pid: holder.pid }, gone: ["trace-path-cpu0.out"] });
  } finally {
    holder.kill("SIGKILL");
    await holder.exited;
  }
});
