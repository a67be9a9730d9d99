/** Device nodes of ports that come and go: read by the control worker, told to main. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeEventFd, signalEventFd } from "../../../ffi/eventfd.ts";
import { closeFd } from "../../../ffi/fd.ts";
import { openInotify, watchDirectory } from "../../../ffi/inotify.ts";
import { makeFifo } from "../../../ffi/pipe.ts";
import { log } from "../../../src/base/log.ts";
import { ControlChannel } from "../../../src/guest/control/control-channel.ts";
import { takePortChanges } from "../../../src/guest/control/device-changes.ts";
import { RunState } from "../../../src/guest/transfer/run-state.ts";
import { virtio } from "../../../src/transport/virtio.ts";
import { eventually } from "../../support/agent-process.ts";

let directory: string;
let devices: string;
let devicesFd: number;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "trace-agent-devices-"));
  // As /dev is.
  devices = join(directory, "dev");
  mkdirSync(devices);
  devicesFd = openInotify();
  watchDirectory(devicesFd, devices);
  log.level = -1;
});
afterEach(() => {
  closeFd(devicesFd);
  rmSync(directory, { recursive: true, force: true });
  log.level = 3;
});

const node = (name: string): void => writeFileSync(join(devices, name), "");
const bytes = new Uint8Array(new ArrayBuffer(4096));

test("takePortChanges() tells of ports' nodes and links, and of no other nodes", () => {
  const took = (): boolean => takePortChanges(devicesFd, bytes);
  expect(took()).toBe(false);
  for (let nr = 0; nr < 300; nr++) node(`loop${nr}`);
  expect(took()).toBe(false);
  node("loop300");
  node("vport2p1");
  node("loop301");
  expect(took()).toBe(true);
  expect(took()).toBe(false);
  mkdirSync(join(devices, "virtio-ports"));
  expect(took()).toBe(true);
  rmSync(join(devices, "vport2p1"));
  expect(took()).toBe(true);
});

describe("a control channel", () => {
  let doneFd: number;
  let channel: ControlChannel;
  let heard: string[];
  const isHeard = (word: string, times = 1): Promise<void> =>
    eventually(
      () => heard.filter((one) => one === word).length >= times,
      `${times} times ${word}`,
      () => heard.join(" "),
    );

  beforeEach(() => {
    doneFd = makeEventFd();
    heard = [];
    channel = new ControlChannel(
      { run: new RunState(1), doneFd, devicesFd, tracingDirectory: directory, cpus: [0] },
      {
        onOrders: () => Promise.resolve(),
        onHost: () => {},
        onDone: () => heard.push("done"),
        onPorts: () => heard.push("ports"),
        onLost: () => {},
      },
    );
  });
  afterEach(async () => {
    await channel.close();
    closeFd(doneFd);
  });

  test("tells of them without a control port, and sleeps on while other nodes come", async () => {
    await channel.open(undefined);
    node("vport2p1");
    await isHeard("ports");
    heard = [];
    node("loop7");
    for (const times of [1, 2]) {
      signalEventFd(doneFd);
      await isHeard("done", times);
    }
    expect(heard).toEqual(["done", "done"]);
  });

  test("tells of those that came while its worker was dead", async () => {
    // epoll refuses a regular file: the worker that watches it as a virtio port dies.
    const path = join(directory, "port");
    writeFileSync(path, "");
    await channel.open({ end: virtio.guest, path, readPath: path });
    await eventually(() => !channel.attached, "the channel notices that its worker died");
    node("vport2p1");
    rmSync(path);
    makeFifo(path, 0o600);
    await isHeard("ports");
  });
});
