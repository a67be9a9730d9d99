import { afterEach, beforeEach, expect, spyOn, test } from "bun:test";
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeEventFd, signalEventFd } from "../../../ffi/eventfd.ts";
import { closeFd, O, openFd, readInto, writeFrom } from "../../../ffi/fd.ts";
import { makeFifo } from "../../../ffi/pipe.ts";
import { log } from "../../../src/base/log.ts";
import { ControlChannel } from "../../../src/guest/control/control-channel.ts";
import { Progress } from "../../../src/guest/control/progress.ts";
import { guestLimits } from "../../../src/guest/limits.ts";
import { Counter, leavesIndex, RunState } from "../../../src/guest/transfer/run-state.ts";
import { parseReply } from "../../../src/protocol/replies.ts";
import { fifo } from "../../../src/transport/fifo.ts";
import type { PortPath } from "../../../src/transport/port-place.ts";
import { socket } from "../../../src/transport/socket.ts";
import { virtio } from "../../../src/transport/virtio.ts";
import { eventually } from "../../support/agent-process.ts";

let directory: string;
let doneFd: number;
let run: RunState;
let channel: ControlChannel;
let heard: string[];
/** What main does with orders that it was given. */
let work: () => Promise<void>;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "trace-agent-channel-"));
  doneFd = makeEventFd();
  run = new RunState(1);
  heard = [];
  work = () => Promise.resolve();
  log.level = -1;
  channel = new ControlChannel(
    { run, doneFd, devicesFd: -1, tracingDirectory: directory, cpus: [0] },
    {
      onOrders: (orders) => {
        heard.push(...orders.map(({ order }) => order));
        // A new worker gives none at first.
        return orders.length === 0 ? Promise.resolve() : work();
      },
      onHost: (present) => heard.push(`host ${present}`),
      onDone: () => heard.push("done"),
      onPorts: () => heard.push("ports"),
      onLost: () => heard.push("lost"),
    },
  );
});
afterEach(async () => {
  await channel.close();
  closeFd(doneFd);
  rmSync(directory, { recursive: true, force: true });
  log.level = 3;
});

/** epoll refuses a regular file: the worker that watches it as a virtio port dies. */
function deadlyPort(): PortPath {
  const path = join(directory, "port");
  writeFileSync(path, "");
  return { end: virtio.guest, path, readPath: path };
}

function sendOrder(path: string, text: string): void {
  const fd = openFd(path, O.WRONLY | O.NONBLOCK);
  writeFrom(fd, new Uint8Array(new TextEncoder().encode(text)));
  closeFd(fd);
}

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return "";
  }
}

test("the death of a control worker is noticed, and another reads orders once the port can be watched", async () => {
  const port = deadlyPort();
  await channel.open(port);
  await eventually(() => !channel.attached, "the channel notices that its worker died");
  rmSync(port.path);
  makeFifo(port.path, 0o600);
  await eventually(() => channel.attached, "the channel is attached again");
  // The states of the CPU workers may have changed while nobody looked.
  expect(heard).toContain("done");
  sendOrder(port.path, "status\n");
  await eventually(
    () => heard.includes("status"),
    "an order arrives",
    () => heard.join(" "),
  );
});

test("a control worker that dies again and again costs no descriptors, and is tried less and less often", async () => {
  const port = deadlyPort();
  const held = (): number => readdirSync("/proc/self/fd").filter((fd) => linkOf(fd) === port.path).length;
  const said = spyOn(log, "error");
  const pauses = (): number[] =>
    said.mock.calls.flatMap(([text]) => (/restarted in (\d+) ms/.exec(String(text))?.slice(1) ?? []).map(Number));
  try {
    await channel.open(port);
    await eventually(() => pauses().length >= 4, "four deaths");
    const first = guestLimits.workerRestartMs;
    expect(pauses().slice(0, 4)).toEqual([first, 2 * first, 4 * first, 8 * first]);
  } finally {
    said.mockRestore();
  }
  expect(held()).toBe(0);
});

test("where the port is gone when its worker has died, the agent searches for it, and CPU workers' changes are seen", async () => {
  const port = deadlyPort();
  await channel.open(port);
  rmSync(port.path);
  await eventually(() => heard.includes("lost"), "the loss is reported");
  heard = [];
  signalEventFd(doneFd);
  await eventually(() => heard.includes("done"), "a CPU worker's change is seen");
  expect(channel.attached).toBe(false);
});

test("that a host has left is told with what it had acknowledged", async () => {
  const path = join(directory, "port");
  makeFifo(path, 0o600);
  // As a virtio port: read(2) gives 0 while nobody is at the other end.
  const open = (): number => openFd(path, O.RDONLY | O.NONBLOCK);
  await channel.open({ end: { ...virtio.guest, open }, path, readPath: path });
  run.counters[Counter.bytes] = 9000;
  const left = (): number => Atomics.load(run.words, leavesIndex);
  sendOrder(path, "ack 0 5000\n");
  await eventually(() => heard.includes("host false"), "the channel notices that the host has left");
  expect([left(), run.counter(0, Counter.acknowledgedAtLeave)]).toEqual([1, 5000]);
  sendOrder(path, "ack 0 8000\n");
  await eventually(() => left() === 2, "the channel notices that the next one has left");
  expect(run.counter(0, Counter.acknowledgedAtLeave)).toBe(8000);
});

test("close() ends in bounded time while the worker is dead", async () => {
  await channel.open(deadlyPort());
  await eventually(() => !channel.attached, "the channel notices that its worker died");
  const begin = performance.now();
  await channel.close();
  expect(performance.now() - begin).toBeLessThan(30_000);
  channel = new ControlChannel(
    { run: new RunState(1), doneFd, devicesFd: -1, tracingDirectory: directory, cpus: [0] },
    {
      onOrders: () => Promise.resolve(),
      onHost: () => {},
      onDone: () => {},
      onPorts: () => {},
      onLost: () => {},
    },
  );
});

test("a port that is opened again while it is held is given back first", async () => {
  const path = join(directory, "fifo");
  makeFifo(path, 0o600);
  const port: PortPath = { end: fifo.guest, path, readPath: path };
  await channel.open(port);
  await Promise.all([channel.open(port), channel.open(port)]);
  const held = readdirSync("/proc/self/fd").filter((fd) => linkOf(fd) === path);
  expect(held.length).toBe(1);
  sendOrder(path, "1");
  await eventually(() => heard.includes("start"), "an order arrives");
});

test("orders are read while main works, wait for it together, and are passed on before the end of the port behind them", async () => {
  const path = join(directory, "socket");
  let answered = "";
  const server = Bun.listen({
    unix: path,
    socket: { data: (_, bytes) => void (answered += bytes.toString()), open: (socket) => void (host = socket) },
  });
  let host: { write: (text: string) => number; end: () => void } | undefined;
  await channel.open({ end: socket.guest, path, readPath: path });
  await eventually(() => host !== undefined, "connected");
  const working = Promise.withResolvers<void>();
  work = () => working.promise;
  host?.write("1");
  await eventually(() => heard.includes("start"), "main works");
  heard = [];
  // Byte by byte; its worker answers the last order itself when it has read the others.
  for (const byte of "status\nset clock mono\nclock n1\nstat") {
    host?.write(byte);
    await Bun.sleep(5);
  }
  await eventually(
    () => answered.includes("\n"),
    "all is read",
    () => heard.join(" "),
  );
  host?.end();
  await Bun.sleep(50);
  expect(heard).toEqual([]);
  let given = 0;
  work = () => Promise.resolve(void given++);
  working.resolve();
  await eventually(
    () => heard.includes("lost"),
    "the end is told",
    () => heard.join(" "),
  );
  expect(heard).toEqual(["status", "set", "lost"]);
  expect(given).toBe(1);
  server.stop(true);
});

test("while the kernel holds main, its worker tells the host that it works", async () => {
  const [path, readPath] = [join(directory, "replies"), join(directory, "orders")];
  for (const each of [path, readPath]) makeFifo(each, 0o600);
  const replies = openFd(path, O.RDONLY | O.NONBLOCK);
  await channel.open({ end: fifo.guest, path, readPath });
  const bytes = new Uint8Array(new ArrayBuffer(4096));
  let told = "";
  const progress = new Progress(
    run.words,
    () => true,
    () => {},
  );
  /** Without a turn of the event loop. */
  const held = (): void => {
    for (const end = Date.now() + 60_000; told === "" && Date.now() < end; Bun.sleepSync(5)) {
      const count = readInto(replies, bytes);
      if (count > 0) told = Buffer.from(bytes.subarray(0, count)).toString("latin1");
    }
  };
  work = () => Promise.resolve(progress.whileHeld("set", held));
  sendOrder(readPath, "set tracer function\n");
  await eventually(() => told !== "", "a reply, or none in a minute");
  expect(told).toStartWith('{"reply":"progress","word":"set"}\n');
  closeFd(replies);
});

test("a flood while main works is not read without end", async () => {
  const path = join(directory, "fifo");
  makeFifo(path, 0o600);
  await channel.open({ end: fifo.guest, path, readPath: path });
  const working = Promise.withResolvers<void>();
  work = () => working.promise;
  sendOrder(path, "1");
  await eventually(() => heard.includes("start"), "main works");
  const fd = openFd(path, O.WRONLY | O.NONBLOCK);
  const flood = new Uint8Array(new ArrayBuffer(4096)).fill(0x31);
  let sent = 0;
  let lastRoom = performance.now();
  // The worker may be late: not before it has read some.
  while ((sent <= 65_536 || performance.now() - lastRoom < 300) && sent < 10_000_000) {
    const count = writeFrom(fd, flood);
    if (count > 0) {
      sent += count;
      lastRoom = performance.now();
    } else await Bun.sleep(1);
  }
  closeFd(fd);
  // Read while main works: more than the FIFO holds, and not without end.
  expect(sent).toBeGreaterThan(65_536);
  expect(sent).toBeLessThanOrEqual(3 * 65_536);
  work = () => Promise.resolve();
  working.resolve();
});

test("a clock order is answered while main works, and is not passed on to it", async () => {
  const paths = ["in", "out"].map((end) => join(directory, `port.${end}`));
  for (const path of paths) makeFifo(path, 0o600);
  const [orders = "", replies = ""] = paths;
  const worked = Promise.withResolvers<void>();
  work = () => worked.promise;
  await channel.open({ end: fifo.guest, path: replies, readPath: orders });
  const fd = openFd(replies, O.RDONLY | O.NONBLOCK);
  try {
    sendOrder(orders, "status\n");
    await eventually(() => heard.includes("status"), "main works");
    sendOrder(orders, "clock n1\n");
    let text = "";
    const bytes = new Uint8Array(new ArrayBuffer(4096));
    await eventually(() => {
      const count = readInto(fd, bytes);
      if (count > 0) text += Buffer.from(bytes.subarray(0, count)).toString("latin1");
      return text.includes("\n");
    }, "the answer comes");
    expect(parseReply(text.trim())).toMatchObject({ reply: "clock", nonce: "n1" });
    worked.resolve();
    sendOrder(orders, "status\n");
    await eventually(() => heard.filter((order) => order === "status").length === 2, "main gets the next order");
    expect(heard).not.toContain("clock");
  } finally {
    worked.resolve();
    closeFd(fd);
  }
});
