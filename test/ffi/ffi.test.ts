import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { E, describeErrno, errnoName, SystemError } from "../../ffi/errno.ts";
import { clearEventFd, makeEventFd, signalEventFd } from "../../ffi/eventfd.ts";
import { closeFd, O, openFd, readInto, setNonBlocking, statusFlags, writeFrom } from "../../ffi/fd.ts";
import { tryLock } from "../../ffi/lock.ts";
import { makeFifo, makePipe, pipeSize, setPipeSize } from "../../ffi/pipe.ts";
import { POLL, PollSet } from "../../ffi/poll.ts";
import { connectDatagram, connectUnix } from "../../ffi/socket.ts";
import { SPLICE, splice } from "../../ffi/splice.ts";
import { parseCpuList } from "../../src/tracefs/cpu-list.ts";

const directory = mkdtempSync(join(tmpdir(), "trace-agent-ffi-"));
const open: number[] = [];
const keep = (fd: number): number => (open.push(fd), fd);
const buffer = (size: number): Uint8Array<ArrayBuffer> => new Uint8Array(new ArrayBuffer(size));
const pipe = (): { read: number; write: number } => {
  const made = makePipe(O.NONBLOCK);
  keep(made.read);
  keep(made.write);
  return made;
};

afterEach(() => {
  for (const fd of open.splice(0)) closeFd(fd);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe("errno", () => {
  test("openFd() says call, path and errno name when the file is missing", () => {
    const attempt = (): number => openFd("/nonexistent/x", O.RDONLY);
    expect(attempt).toThrow(SystemError);
    expect(attempt).toThrow('open("/nonexistent/x"): ENOENT, no such file or directory');
  });

  test("errno is the failed call's own, a hundred thousand times over, among calls that succeed", () => {
    const { read, write } = pipe();
    const bytes = buffer(8);
    for (let round = 0; round < 100_000; round++) {
      if (readInto(read, bytes) !== -E.EAGAIN) throw new Error(`round ${round}: not EAGAIN`);
      if (readInto(1_000_000, bytes) !== -E.EBADF) throw new Error(`round ${round}: not EBADF`);
    }
    expect(writeFrom(write, bytes)).toBe(8);
  });

  test("errnoName() and describeErrno() name what they know and number what they do not", () => {
    expect(errnoName(E.EAGAIN)).toBe("EAGAIN");
    expect(describeErrno(E.EBUSY)).toBe("EBUSY, device or resource busy");
    expect(describeErrno(4095)).toBe("errno 4095");
    expect(describeErrno(0)).toBe("errno 0");
  });

  test("errnoName() says what node:os says, of every errno that node:os knows", () => {
    // Second names of EAGAIN and ENOTSUP on Linux.
    const { EWOULDBLOCK, EOPNOTSUPP, ...named } = constants.errno;
    expect([errnoName(EWOULDBLOCK), errnoName(EOPNOTSUPP)]).toEqual(["EAGAIN", "ENOTSUP"]);
    expect(Object.values(named).map(errnoName)).toEqual(Object.keys(named));
  });
});

describe("fds", () => {
  test("setNonBlocking() changes the flag and says what it was", () => {
    const { read } = makePipe();
    keep(read);
    expect(setNonBlocking(read, true)).toBe(false);
    expect(statusFlags(read) & O.NONBLOCK).toBe(O.NONBLOCK);
    expect(setNonBlocking(read, false)).toBe(true);
  });

  test("closeFd() refuses what bun:ffi would turn into standard input", () => {
    expect(() => closeFd(Number.NaN)).toThrow(RangeError);
    expect(() => closeFd(undefined as unknown as number)).toThrow(RangeError);
  });

  test("tryLock() is refused while another open file holds the lock", () => {
    const path = join(directory, "lock");
    expect(tryLock(keep(openFd(path, O.RDWR | O.CREAT, 0o600)))).toBe(true);
    expect(tryLock(keep(openFd(path, O.RDWR)))).toBe(false);
  });
});

describe("pipes", () => {
  test("splice() moves bytes from pipe to pipe, says EAGAIN when there are none and 0 at the end", () => {
    const from = pipe();
    const to = pipe();
    writeFrom(from.write, buffer(5000));
    expect(splice(from.read, to.write, 65536, SPLICE.NONBLOCK)).toBe(5000);
    expect(readInto(to.read, buffer(6000))).toBe(5000);
    expect(splice(from.read, to.write, 65536, SPLICE.NONBLOCK)).toBe(-E.EAGAIN);
    closeFd(from.write);
    open.splice(open.indexOf(from.write), 1);
    expect(splice(from.read, to.write, 65536, SPLICE.NONBLOCK)).toBe(0);
  });

  test("setPipeSize() gives what was asked for, and -errno for what is refused", () => {
    const { write } = pipe();
    expect(setPipeSize(write, 128 * 1024)).toBe(128 * 1024);
    expect(pipeSize(write)).toBe(128 * 1024);
    expect(setPipeSize(write, 2 ** 30 * 1.9)).toBeLessThan(0);
  });

  test("makeFifo() makes a FIFO once", () => {
    const path = join(directory, "fifo");
    expect(makeFifo(path, 0o600)).toBe(true);
    expect(statSync(path).isFIFO()).toBe(true);
    expect(makeFifo(path, 0o600)).toBe(false);
    expect(() => makeFifo("/nonexistent/fifo", 0o600)).toThrow("ENOENT");
  });
});

describe("poll", () => {
  test("a PollSet reports the fd that is ready, and nothing after the time-out", () => {
    const event = keep(makeEventFd());
    const { read, write } = pipe();
    const set = new PollSet(3);
    set.set(0, event, POLL.IN);
    set.set(2, read, POLL.IN);
    expect(set.wait(0)).toBe(0);
    signalEventFd(event);
    expect(set.wait(-1)).toBe(1);
    expect([set.revents(0), set.revents(1), set.revents(2)]).toEqual([POLL.IN, 0, 0]);
    clearEventFd(event);
    writeFrom(write, buffer(1));
    expect(set.wait(-1)).toBe(1);
    expect([set.revents(0), set.revents(2)]).toEqual([0, POLL.IN]);
  });
});

/** Of this thread (proc(5)). */
const allowedHere = (): string =>
  /^Cpus_allowed_list:\t(.*)$/m.exec(readFileSync("/proc/thread-self/status", "latin1"))?.[1] ?? "";

describe("CPU affinity", () => {
  test("pinThread() binds the thread of a Worker, says EINVAL for a CPU that is not there, and leaves main alone", async () => {
    const allowed = `/^Cpus_allowed_list:\\t(.*)$/m.exec(require("node:fs").readFileSync("/proc/thread-self/status", "latin1"))[1]`;
    const before = parseCpuList(allowedHere());
    const script = `
      import { pinThread } from ${JSON.stringify(join(import.meta.dir, "../../ffi/affinity.ts"))};
      postMessage({ missing: pinThread(8191), pinned: pinThread(${before.at(-1)}), now: ${allowed} });`;
    const worker = new Worker(URL.createObjectURL(new Blob([script], { type: "text/javascript" })));
    const seen = await new Promise<Record<string, unknown>>((resolve, reject) => {
      worker.onmessage = (message: MessageEvent<Record<string, unknown>>) => resolve(message.data);
      worker.onerror = (event) => reject(new Error(event.message));
    });
    worker.terminate();
    expect(seen).toEqual({ missing: E.EINVAL, pinned: 0, now: `${before.at(-1)}` });
    expect(parseCpuList(allowedHere())).toEqual(before);
  });
});

describe("sockets", () => {
  test("connectUnix() reaches a listening socket and carries bytes", async () => {
    const path = join(directory, "stream.sock");
    let heard: (text: string) => void;
    const text = new Promise<string>((resolve) => (heard = resolve));
    const server = Bun.listen({ unix: path, socket: { data: (_, bytes) => heard(bytes.toString()) } });
    const fd = keep(connectUnix(path));
    const hello = buffer(5);
    hello.set(Buffer.from("hello"));
    expect(writeFrom(fd, hello)).toBe(5);
    expect(await text).toBe("hello");
    server.stop(true);
  });

  test("connectUnix() and connectDatagram() say what is wrong with a path", () => {
    expect(() => connectUnix(join(directory, "nobody.sock"))).toThrow("ENOENT");
    expect(() => connectDatagram(`/${"x".repeat(200)}`)).toThrow("EINVAL");
  });
});
