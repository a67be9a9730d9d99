import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { E, SystemError } from "../../ffi/errno.ts";
import { closeFd, O, openFd, readInto, writeFrom } from "../../ffi/fd.ts";
import { makeFifo } from "../../ffi/pipe.ts";
import { file } from "../../src/transport/file.ts";
import { fifo } from "../../src/transport/fifo.ts";
import { AgentError } from "../../src/base/errors.ts";
import { ControlPort, openDataPort } from "../../src/transport/host-port.ts";
import { openForWriting } from "../../src/transport/port-open.ts";
import { findPorts } from "../../src/transport/port-place.ts";
import { socket } from "../../src/transport/socket.ts";
import type { GuestEnd } from "../../src/transport/transport.ts";
import { guestEndOf, hostEnd, hostTransports } from "../../src/transport/transports.ts";
import { filesUnder, textOf } from "../support/imports.ts";
import { eventually } from "../support/agent-process.ts";

let directory: string;
let closers: (() => void)[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "trace-agent-transport-"));
  closers = [];
});
afterEach(() => {
  for (const close of closers) close();
  rmSync(directory, { recursive: true, force: true });
});

/** A port of each kind that a directory can hold. `hangUp`: its other end goes away. */
function makePort(end: GuestEnd): { path: string; hangUp: () => void } {
  const path = join(directory, `port${closers.length}`);
  if (end === fifo.guest) makeFifo(path, 0o600);
  else if (end === file.guest) writeFileSync(path, "");
  else {
    const server = Bun.listen({ unix: path, socket: { data: () => {} } });
    closers.push(() => server.stop(true));
    return { path, hangUp: () => server.stop(true) };
  }
  return { path, hangUp: () => {} };
}

function open(end: GuestEnd, path: string, side: "write" | "read"): number {
  const fd = end.open(path, side);
  closers.push(() => closeFd(fd));
  return fd;
}

const bytes = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(new TextEncoder().encode(text));

describe.each([
  ["FIFO", fifo.guest],
  ["socket", socket.guest],
  ["file", file.guest],
] as const)("the traits of a %s are true:", (_, end: GuestEnd) => {
  const { traits } = end;

  test("its kind is seen by its status", async () => {
    const { path } = makePort(end);
    expect(guestEndOf(statSync(path)).traits).toEqual(traits);
  });

  test(`oneFd ${traits.oneFd}, duplex ${traits.duplex}`, async () => {
    const { path } = makePort(end);
    const write = open(end, path, "write");
    expect(writeFrom(write, bytes("x"))).toBe(1);
    const read = traits.oneFd ? write : open(end, path, "read");
    const buffer = bytes("  ");
    // EBADF: it was opened for writing alone. EAGAIN: nothing came back.
    expect(readInto(write, buffer)).toBe(traits.oneFd ? (traits.duplex ? -E.EAGAIN : 1) : -E.EBADF);
    if (!traits.oneFd) expect(readInto(read, buffer)).toBe(1);
  });

  test(`keeps ${traits.keeps}`, async () => {
    const { path } = makePort(end);
    expect(writeFrom(open(end, path, "write"), bytes("kept"))).toBe(4);
    expect(statSync(path).size).toBe(traits.keeps ? 4 : 0);
  });
});

test("a socket hangs up, a FIFO does not when its other end is closed", async () => {
  const buffer = bytes("  ");
  const { path, hangUp } = makePort(socket.guest);
  const connected = open(socket.guest, path, "write");
  hangUp();
  await eventually(() => readInto(connected, buffer) === 0, "the end is read");
  expect(socket.guest.traits.hangsUp).toBe(true);
  const pipe = makePort(fifo.guest).path;
  const held = open(fifo.guest, pipe, "read");
  closeFd(openFd(pipe, O.WRONLY | O.NONBLOCK));
  expect(readInto(held, buffer)).toBe(-E.EAGAIN);
  expect(fifo.guest.traits.hangsUp).toBe(false);
});

test("the host's transports have a word each, and endings that tell them apart", () => {
  expect(hostTransports).toEqual(["fifo", "socket"]);
  const ends = hostTransports.map((name) => hostEnd(name));
  expect(ends.map(({ name }) => name)).toEqual([...hostTransports]);
  const endings = ends.flatMap((end) => end.endings);
  expect(new Set(endings).size).toBe(endings.length);
});

test("a host's transport tells what lies unread in a control port", () => {
  const { path } = makePort(fifo.guest);
  const pipe = open(fifo.guest, path, "write");
  const server = makePort(socket.guest);
  // It is accepted, and read, by the event loop: not before this test has ended.
  const connection = open(socket.guest, server.path, "write");
  for (const [{ send, unread }, fd] of [
    [fifo.host, pipe],
    [socket.host, connection],
  ] as const) {
    expect(unread(fd)).toBe(0);
    send(fd, bytes("hello 1\n"));
    expect(unread(fd)).toBeGreaterThanOrEqual(8);
  }
  expect(readInto(pipe, new Uint8Array(new ArrayBuffer(64)))).toBe(8);
  expect(fifo.host.unread(pipe)).toBe(0);
});

test("a host's transport finds its own ports in a guest's directory, and nothing else", () => {
  for (const name of ["one.in", "one.out", "only-read.in", ".out"]) makeFifo(join(directory, name), 0o600);
  writeFileSync(join(directory, "file.out"), "");
  writeFileSync(join(directory, "file.sock"), "");
  const server = Bun.listen({ unix: join(directory, "two.sock"), socket: { data: () => {} } });
  closers.push(() => server.stop(true));
  expect([...fifo.host.find(directory)]).toEqual([["one", join(directory, "one")]]);
  expect([...socket.host.find(directory)]).toEqual([["two", join(directory, "two.sock")]]);
});

test("a guest finds ports in a directory by the endings of their transports, or by the plain name", () => {
  for (const name of ["agent-ctl-path.in", "agent-ctl-path.out", "trace-path-cpu0", "trace-path-cpu1.in"])
    makeFifo(join(directory, name), 0o600);
  const server = Bun.listen({ unix: join(directory, "trace-path-cpu2.sock"), socket: { data: () => {} } });
  closers.push(() => server.stop(true));
  const { control, data } = findPorts(directory);
  expect(control).toEqual({
    end: fifo.guest,
    path: join(directory, "agent-ctl-path.out"),
    readPath: join(directory, "agent-ctl-path.in"),
  });
  expect(new Set(data.keys())).toEqual(new Set([0, 2]));
  expect(data.get(2)).toMatchObject({ end: socket.guest, path: join(directory, "trace-path-cpu2.sock") });
});

test("nothing outside src/transport asks which transport a port has: another one is a file and a line", () => {
  const asking = filesUnder("src", ".ts")
    .filter((name) => !name.startsWith("src/transport/"))
    .filter((name) => /(?:===|!==|case) "(?:virtio|fifo|socket)"/.test(textOf(name)));
  expect(asking).toEqual([]);
});

test("findPorts() says what to do where the directory was removed", () => {
  const gone = join(directory, "gone");
  expect(() => findPorts(gone)).toThrow(
    expect.objectContaining({
      kind: "unavailable",
      text: expect.stringMatching(/^cannot read the ports in ".*gone": ENOENT.*; if it was removed, make it again/),
    }),
  );
});

describe("a host's control port", () => {
  const place = (): string => join(directory, "control");

  function control(): ControlPort {
    const port = new ControlPort({ name: "control", end: fifo.host, path: place() });
    closers.push(() => port.close());
    return port;
  }

  test("sends the rest of orders of which it took a part before anything else", () => {
    for (const side of [".in", ".out"]) makeFifo(place() + side, 0o600);
    const guest = open(fifo.guest, `${place()}.in`, "read");
    const port = control();
    let came = "";
    const read = (most: number): void => {
      const target = new Uint8Array(new ArrayBuffer(most));
      came += Buffer.from(target.subarray(0, readInto(guest, target))).toString("latin1");
    };
    const filled = "f".repeat(15 * 4096);
    expect(writeFrom(guest, bytes(filled))).toBe(filled.length);
    const order = "o".repeat(12_000);
    // A pipe takes a page at a time.
    expect([port.offer(order), port.offer("next")]).toEqual([true, false]);
    read(4096);
    expect(port.offer("next")).toBe(false);
    read(16 * 4096);
    expect(port.hasUnread).toBe(true);
    expect(port.offer("next")).toBe(true);
    read(16 * 4096);
    expect(came === `${filled}${order}\nnext\n`).toBe(true);
    expect(port.hasUnread).toBe(false);
  });

  test("is held where a process has its other end, and where that cannot be told", () => {
    expect(fifo.host.isHeld(place()), "there is none").toBe(true);
    makeFifo(`${place()}.in`, 0o600);
    expect(fifo.host.isHeld(place())).toBe(false);
    open(fifo.guest, `${place()}.in`, "read");
    expect(fifo.host.isHeld(place())).toBe(true);
  });

  test("is nothing but a FIFO: no order is written into a file", () => {
    makeFifo(`${place()}.out`, 0o600);
    writeFileSync(`${place()}.in`, "");
    expect(control).toThrow(
      expect.objectContaining({ kind: "unavailable", text: expect.stringMatching(/is not a FIFO/) }),
    );
  });
});

test("ports that cannot be opened say why, each in its own kind of error", () => {
  const kindOf = (work: () => unknown): string => {
    try {
      work();
    } catch (error) {
      if (error instanceof AgentError) return error.kind;
    }
    return "none";
  };
  const kinds = [E.ENXIO, E.ECONNREFUSED, E.EAGAIN, E.EBUSY, E.EACCES, E.EPERM, E.EIO].map((errno) => {
    const refuse = (): never => {
      throw new SystemError("open", "port", errno);
    };
    const host = { name: "port", path: "port", end: { ...fifo.host, openControl: refuse, openData: refuse } };
    const guest = { path: "port", readPath: "port", end: { ...fifo.guest, open: refuse } };
    return [() => new ControlPort(host), () => openDataPort(host), () => openForWriting("port", guest)].map(kindOf);
  });
  const [absent, denied] = [Array(3).fill("unavailable"), Array(3).fill("permission")];
  expect(kinds).toEqual([
    absent,
    absent,
    absent,
    ["io", "io", "unavailable"],
    denied,
    denied,
    ["io", "io", "unavailable"],
  ]);
});
