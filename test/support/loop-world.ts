/**
 * A world for the splice loop in which any system call can fail: real pipes, and in front of splice, read and write a list of
 * answers that the test gives. Whole sub-buffers come out of `ringBuffer`, the partial one out of a pipe, as read() gives it.
 */
import { mock } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fdModule from "../../ffi/fd.ts";
import { E } from "../../ffi/errno.ts";
import { makeEventFd } from "../../ffi/eventfd.ts";
import * as pipeModule from "../../ffi/pipe.ts";
import * as spliceModule from "../../ffi/splice.ts";
import { Counter, Order, RunState, Word } from "../../src/guest/transfer/run-state.ts";
import { Stream } from "../../src/guest/transfer/stream.ts";
import { fifo } from "../../src/transport/fifo.ts";
import type { PortTraits } from "../../src/transport/transport.ts";

type Call = "take" | "read" | "fill" | "send";
/** An errno to fail with, or what to do instead of the call (returns its result). */
type Answer = number | (() => number | undefined);

const realFd = { ...fdModule };
const realSplice = { ...spliceModule };
const realPipe = { ...pipeModule };
let world: LoopWorld | undefined;

function enter(entered: LoopWorld): void {
  world = entered;
}

const bytesOf = (length: number): Uint8Array<ArrayBuffer> => new Uint8Array(new ArrayBuffer(length));

// Other tests of the same process get the real calls: there is no world then.
await mock.module("../../ffi/splice.ts", () => ({
  ...realSplice,
  splice: (from: number, to: number, length: number, flags: number) =>
    world?.splice(from, to, length) ?? realSplice.splice(from, to, length, flags),
}));
await mock.module("../../ffi/fd.ts", () => ({
  ...realFd,
  readInto: (fd: number, buffer: Uint8Array<ArrayBuffer>, length = buffer.byteLength, offset = 0) =>
    (fd === world?.stream.rawFd ? world.answer("read") : undefined) ?? realFd.readInto(fd, buffer, length, offset),
  writeFrom: (fd: number, buffer: Uint8Array<ArrayBuffer>, offset = 0, length = buffer.byteLength - offset) =>
    (fd === world?.stream.pipeWrite ? world.answer("fill") : undefined) ?? realFd.writeFrom(fd, buffer, offset, length),
}));

// The system allows no larger pipes than those of the world.
await mock.module("../../ffi/pipe.ts", () => ({
  ...realPipe,
  setPipeSize: (fd: number, bytes: number) => (world === undefined ? realPipe.setPipeSize(fd, bytes) : -E.EPERM),
}));

export type WorldOptions = {
  subBufferBytes?: number;
  pipeBytes?: number;
  outputTraits?: PortTraits;
  subBuffers?: number;
  /** The test has put something else in the place of the watch for hosts that come, which needs a device. */
  hostWatch?: boolean;
};

export class LoopWorld {
  readonly stream: Stream;
  readonly run = new RunState(1);
  /** How often each call was made. */
  readonly calls: Record<Call, number> = { take: 0, read: 0, fill: 0, send: 0 };
  readonly #answers: Record<Call, Answer[]> = { take: [], read: [], fill: [], send: [] };
  readonly #directory = mkdtempSync(join(tmpdir(), "trace-agent-loop-"));
  readonly #subBufferBytes: number;
  readonly #fds: number[] = [];
  readonly #raw: number;
  readonly #partial: number;
  readonly #output: number;
  #ringBuffer: number[] = [];
  #lastNumber = 0;
  #received = Buffer.alloc(0);

  /** `subBuffers` whole ones lie in the ring buffer, numbered from 1 (each byte is its number). */
  constructor({
    subBufferBytes = 4096,
    pipeBytes = 65536,
    outputTraits = fifo.guest.traits,
    subBuffers = 0,
    hostWatch = false,
  }: WorldOptions = {}) {
    this.#subBufferBytes = subBufferBytes;
    const perCpu = join(this.#directory, "per_cpu/cpu0");
    mkdirSync(perCpu, { recursive: true });
    writeFileSync(join(perCpu, "buffer_size_kb"), "1408\n");
    writeFileSync(join(this.#directory, "buffer_subbuf_size_kb"), `${subBufferBytes / 1024}\n`);
    const [raw, pipe, output] = [this.#pipe(1 << 20), this.#pipe(pipeBytes), this.#pipe(1 << 20)];
    const [wakeFd, doneFd] = [this.#keep(makeEventFd()), this.#keep(makeEventFd())];
    this.#raw = raw.read;
    this.#partial = raw.write;
    this.#output = output.read;
    this.putWhole(subBuffers);
    this.stream = new Stream(
      {
        worker: 0,
        cpu: 0,
        tracingDirectory: this.#directory,
        subBufferBytes,
        spliceBytes: Math.max(pipeBytes, subBufferBytes),
        ackedSpliceBytes: Math.max(pipeBytes, subBufferBytes),
        wakeFd,
        doneFd,
        pipeRead: pipe.read,
        pipeWrite: pipe.write,
        outputFd: output.write,
        outputTraits: { ...outputTraits, absentHost: hostWatch },
        outputShared: false,
      },
      this.run,
    );
    this.stream.rawFd = raw.read;
    // Nothing of an earlier process lies in the port.
    this.run.acknowledge(0, 0);
    this.order(Order.armed);
    enter(this);
    this.stream.learnSubBufferSize();
    this.stream.begin();
    // A wait that nothing ends would hang the test.
    this.stream.sleepMs = 20_000;
  }

  order(order: Order): void {
    this.run.setWord(0, Word.order, order);
  }

  /** What the next calls of this kind answer, one after the other; then they are made as always. */
  next(call: Call, ...answers: Answer[]): void {
    this.#answers[call].push(...answers);
  }

  /** So many more whole sub-buffers, numbered on. */
  putWhole(count: number): void {
    for (let number = 0; number < count; number++) this.#ringBuffer.push(++this.#lastNumber);
  }

  /** The sub-buffer that is still being written, as read() gives it. */
  putPartial(number: number): void {
    realFd.writeFrom(this.#partial, bytesOf(this.#subBufferBytes).fill(number));
  }

  /** Puts a whole sub-buffer into the worker's pipe, as splice does. */
  fillPage(): void {
    realFd.writeFrom(this.stream.pipeWrite, bytesOf(this.#subBufferBytes));
  }

  answer(call: Call): number | undefined {
    this.calls[call]++;
    const answer = this.#answers[call].shift();
    return typeof answer === "number" ? -answer : answer?.();
  }

  splice(from: number, to: number, length: number): number | undefined {
    if (from !== this.stream.rawFd) return to === this.stream.outputFd ? this.answer("send") : undefined;
    const answered = this.answer("take");
    if (answered !== undefined) return answered;
    // The kernel takes no more than the pipe has pages for.
    if (realPipe.pipeSize(to) < this.#subBufferBytes) return -E.EINVAL;
    const count = Math.min(Math.floor(length / this.#subBufferBytes), this.#ringBuffer.length);
    if (count === 0) return -E.EAGAIN;
    const bytes = this.#ringBuffer.splice(0, count).map((number) => bytesOf(this.#subBufferBytes).fill(number));
    const joined = bytesOf(count * this.#subBufferBytes);
    bytes.forEach((part, index) => joined.set(part, index * this.#subBufferBytes));
    return realFd.writeFrom(this.stream.pipeWrite, joined);
  }

  /** Moves so many bytes from the pipe to the output, whatever the loop asked for: a short send. */
  sendOnly(count: number): number {
    return realSplice.splice(this.stream.pipeRead, this.stream.outputFd, count, realSplice.SPLICE.NONBLOCK);
  }

  /** What the driver does when it cannot queue: it empties the pipe and says 0. */
  emptyPipe(): number {
    realFd.readInto(this.stream.pipeRead, bytesOf(1 << 20));
    return 0;
  }

  /** The numbers of the sub-buffers that came out, in their order; what is no sub-buffer of one number shows as "torn". */
  received(): (number | "torn")[] {
    const buffer = bytesOf(1 << 20);
    for (let count = realFd.readInto(this.#output, buffer); count > 0; count = realFd.readInto(this.#output, buffer)) {
      this.#received = Buffer.concat([this.#received, buffer.subarray(0, count)]);
    }
    const found: (number | "torn")[] = [];
    for (let at = 0; at < this.#received.length; at += this.#subBufferBytes) {
      const part = this.#received.subarray(at, at + this.#subBufferBytes);
      const [number = 0] = part;
      found.push(part.length === this.#subBufferBytes && part.every((byte) => byte === number) ? number : "torn");
    }
    return found;
  }

  get lostBytes(): number {
    return this.run.counter(0, Counter.lostBytes);
  }

  close(): void {
    world = undefined;
    this.stream.close();
    // The loop may have closed trace_pipe_raw.
    const closed = this.stream.rawFd < 0 ? this.#raw : -1;
    for (const fd of this.#fds) if (fd !== closed) realFd.closeFd(fd);
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #keep(fd: number): number {
    this.#fds.push(fd);
    return fd;
  }

  #pipe(bytes: number): { read: number; write: number } {
    const pipe = realPipe.makePipe(realFd.O.NONBLOCK);
    realPipe.setPipeSize(pipe.write, bytes);
    return { read: this.#keep(pipe.read), write: this.#keep(pipe.write) };
  }
}
