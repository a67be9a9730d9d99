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

type Babbling = { control: ControlPort; loop: PortLoop; end: () => void };

/** A guest whose control port always has something. */
function babblingGuest(): Babbling {
  const directory = mkdtempSync(`${tmpdir()}/ta-pump-`);
  prepareGuest(directory, 1, "fifo");
  const guest = openFd(`${directory}/agent-ctl-path.out`, O.RDWR | O.NONBLOCK);
  const orders = openFd(`${directory}/agent-ctl-path.in`, O.RDWR | O.NONBLOCK);
  setPipeSize(guest, 1 << 18);
  writeFrom(guest, new Uint8Array(1 << 18));
  const control = new ControlPort(findHostPorts(guestDirectory("guest", directory)).control);
  const loop = new PortLoop();
  const end = (): void => {
    loop.close();
    control.close();
    for (const fd of [guest, orders]) closeFd(fd);
    rmSync(directory, { recursive: true });
  };
  return { control, loop, end };
}

test("of a control port that takes long to read less and less is read at a time: others do not wait for it", async () => {
  const { control, loop, end } = babblingGuest();
  const sizes: number[] = [];
  let cpuMs = 0;
  const take = (bytes: Uint8Array): void => {
    sizes.push(bytes.length);
    cpuMs += hostLimits.controlTakeMs + 1;
  };
  const pump = new Pump(
    loop,
    control,
    [],
    take,
    () => 0,
    () => cpuMs,
  );
  await pump.turns(100_000, () => sizes.length >= 6);
  expect(sizes.slice(0, 6)).toEqual([64, 16, 4, 1, 1, 1].map((kib) => kib * 1024));
  end();
});

test("a control port that has cost too much is left alone, while others are served", async () => {
  const { control, loop, end } = babblingGuest();
  const other = babblingGuest();
  let [cpuMs, reads, readsOfOther] = [0, 0, 0];
  const costly = (): void => {
    reads++;
    // Hours of rest.
    cpuMs += 1e6;
  };
  const pump = new Pump(loop, control, [], costly, loop.allowances.of("costly"), () => cpuMs);
  const cheap = new Pump(
    loop,
    other.control,
    [],
    () => readsOfOther++,
    loop.allowances.of("cheap"),
    () => 0,
  );
  await cheap.turns(100_000, () => reads === 1 && readsOfOther === 4);
  expect({ reads, readsOfOther }).toEqual({ reads: 1, readsOfOther: 4 });
  pump.leave();
  cheap.leave();
  other.end();
  end();
});
