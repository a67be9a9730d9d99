/** What a guest's ports bring to its run. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { closeFd, O, openFd, writeFrom } from "../../../ffi/fd.ts";
import { setPipeSize } from "../../../ffi/pipe.ts";
import { findHostPorts, guestDirectory } from "../../../src/host/guest-directory.ts";
import { hostLimits } from "../../../src/host/limits.ts";
import { PortLoop } from "../../../src/host/run/port-loop.ts";
import { Pump } from "../../../src/host/run/pump.ts";
import { ControlPort } from "../../../src/transport/host-port.ts";
import { prepareGuest } from "../../support/prepared-guest.ts";

test("of a control port that takes long to read less and less is read at a time: others do not wait for it", async () => {
  const directory = mkdtempSync(`${tmpdir()}/ta-pump-`);
  prepareGuest(directory, 1, "fifo");
  const guest = openFd(`${directory}/agent-ctl-path.out`, O.RDWR | O.NONBLOCK);
  const orders = openFd(`${directory}/agent-ctl-path.in`, O.RDWR | O.NONBLOCK);
  setPipeSize(guest, 1 << 17);
  writeFrom(guest, new Uint8Array(1 << 17));
  const control = new ControlPort(findHostPorts(guestDirectory("guest", directory)).control);
  const loop = new PortLoop();
  const sizes: number[] = [];
  const pump = new Pump(loop, control, [], (bytes) => {
    sizes.push(bytes.length);
    Bun.sleepSync(hostLimits.controlTakeMs + 1);
  });
  await pump.turns(100_000, () => sizes.length >= 6);
  expect(sizes.slice(0, 6)).toEqual([64, 16, 4, 1, 1, 1].map((kib) => kib * 1024));
  loop.close();
  control.close();
  for (const fd of [guest, orders]) closeFd(fd);
  rmSync(directory, { recursive: true });
});
