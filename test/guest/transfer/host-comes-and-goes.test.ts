/**
 * The splice loop on a port whose host goes and comes at any moment, with pieces and acknowledgements on their way: a worker that
 * could send never stays asleep. Port, poll and the edge-triggered watch are a model of the driver and of epoll; every wait without
 * a time-out gives the host one step, and the worker may be woken only by what the kernel would wake it with.
 */
import { expect, mock, test } from "bun:test";
import * as epollModule from "../../../ffi/epoll.ts";
import { E } from "../../../ffi/errno.ts";
import { readInto } from "../../../ffi/fd.ts";
import * as pollModule from "../../../ffi/poll.ts";
import { acksIndex, Counter, Order } from "../../../src/guest/transfer/run-state.ts";
import { moveStream, Outcome } from "../../../src/guest/transfer/splice-loop.ts";
import { transportLimits } from "../../../src/transport/limits.ts";
import { virtio } from "../../../src/transport/virtio.ts";
import { inLongForm } from "../../support/long.ts";
import { inQuickForm } from "../../support/quick.ts";
import { LoopWorld } from "../../support/loop-world.ts";
import { testSeed } from "../../support/seed.ts";

const { POLL } = pollModule;
const realPoll = { ...pollModule };
const realEpoll = { ...epollModule };
const { PollSet: RealPollSet } = realPoll;
const { EdgeWatch: RealEdgeWatch } = realEpoll;
const watchFd = 1_000_000;
let model: Model | undefined;

function enter(entered: Model): void {
  model = entered;
}

class ModelPollSet {
  readonly #watched: { fd: number; events: number; revents: number }[] = [];
  readonly #real: InstanceType<typeof RealPollSet>;

  constructor(count: number) {
    this.#real = new RealPollSet(count);
  }

  set(index: number, fd: number, events: number): void {
    this.#real.set(index, fd, events);
    this.#watched[index] = { fd, events, revents: 0 };
  }

  wait(timeoutMs: number): number {
    const current = model;
    if (current === undefined) return this.#real.wait(timeoutMs);
    for (;;) {
      current.suddenly();
      let ready = 0;
      for (const one of this.#watched) {
        one.revents = one.fd < 0 ? 0 : current.mask(one.fd) & (one.events | POLL.HUP);
        if (one.revents !== 0) ready++;
      }
      if (ready > 0 || timeoutMs === 0) {
        current.noteWait();
        return ready;
      }
      // A wait with a time-out is one for data, of which there is always more.
      if (timeoutMs > 0) return 0;
      current.hostStep();
    }
  }

  revents(index: number): number {
    return model === undefined ? this.#real.revents(index) : (this.#watched[index]?.revents ?? 0);
  }
}

class ModelEdgeWatch {
  readonly fd: number;
  readonly #real: InstanceType<typeof RealEdgeWatch> | undefined;

  constructor(watched: number) {
    if (model === undefined) this.#real = new RealEdgeWatch(watched);
    this.fd = this.#real?.fd ?? watchFd;
  }

  consume(): void {
    if (this.#real !== undefined) return this.#real.consume();
    model?.suddenly();
    model?.consumeEdge();
    model?.suddenly();
  }

  close(): void {
    this.#real?.close();
  }
}

// Other tests of the same process get the real ones: there is no model then.
await mock.module("../../../ffi/poll.ts", () => ({ ...realPoll, PollSet: ModelPollSet }));
await mock.module("../../../ffi/epoll.ts", () => ({ ...realEpoll, EdgeWatch: ModelEdgeWatch }));

const subBufferBytes = 4096;
/** Pieces larger than those for a host that does not acknowledge. */
const pipeBytes = 1 << 17;
/** Waits that end at once while nothing happens and nothing can be sent. */
const spinsMax = 8;

class Model {
  readonly world: LoopWorld;
  cuts = 0;
  sentAfterCut = 0;
  /** Bytes of the largest piece. */
  largest = 0;
  #connected = false;
  /** Bytes of the pieces in the queue. */
  #entries: number[] = [];
  /** Entries that QEMU never gives back. */
  #lost = 0;
  #taken = 0;
  /** The port's wait queue was woken since the watch was emptied. */
  #edge = true;
  #spins = 0;
  #sentSinceCut = false;
  readonly #buffer = new Uint8Array(new ArrayBuffer(pipeBytes));
  #random: number;

  constructor(seed: number, cuts: number) {
    this.#random = seed >>> 0;
    // The loop's poll sets and its watch are made with it.
    enter(this);
    this.world = new LoopWorld({
      pipeBytes,
      outputTraits: virtio.guest.traits,
      subBuffers: (2 * pipeBytes) / subBufferBytes,
      hostWatch: true,
    });
    const send = (): number => {
      this.world.next("send", send);
      if (this.cuts >= cuts) this.world.order(Order.exit);
      return this.#send();
    };
    this.world.next("send", send);
  }

  mask(fd: number): number {
    const port = this.#connected ? (this.#full ? 0 : POLL.OUT) : POLL.HUP;
    if (fd === this.world.stream.outputFd) return port;
    if (fd !== watchFd) return 0;
    if (port === 0) this.#edge = false;
    return this.#edge ? POLL.IN : 0;
  }

  /** epoll_wait drops the event with or without a reason to report it. */
  consumeEdge(): void {
    this.#edge = false;
  }

  /** The worker sleeps: one of the things that a host may do. */
  hostStep(): void {
    this.#spins = 0;
    // It sleeps, and what would have woken it is over.
    expect(this.#connected && !this.#full).toBe(false);
    const step = this.#below(10);
    if (!this.#connected) this.#connect();
    else if (step < 2) this.#hangUp();
    else if (step < 4) this.#acknowledge();
    else this.#take(1 + this.#below(step < 8 ? 3 : 200));
  }

  /** The host goes or comes between two calls of the worker. */
  suddenly(): void {
    if (this.#below(20) !== 0) return;
    if (this.#connected) this.#hangUp();
    else this.#connect();
  }

  /** A wait ended at once. */
  noteWait(): void {
    expect(++this.#spins).toBeLessThan(spinsMax);
  }

  #send(): number {
    this.suddenly();
    if (this.#below(20) === 0) this.#take(3);
    if (!this.#connected || this.#full) return -E.EAGAIN;
    const count = readInto(this.world.stream.pipeRead, this.#buffer);
    this.world.putWhole(count / subBufferBytes);
    this.#entries.push(count);
    this.largest = Math.max(this.largest, count);
    this.#spins = 0;
    if (!this.#sentSinceCut) this.sentAfterCut++;
    this.#sentSinceCut = true;
    return count;
  }

  get #full(): boolean {
    return this.#entries.length + this.#lost >= transportLimits.virtioQueueEntries;
  }

  #connect(): void {
    this.#connected = true;
    this.#edge = true;
    this.#spins = 0;
    Atomics.store(this.world.run.words, acksIndex, this.#below(2));
  }

  /** QEMU drops what lies in the queue; of what it had begun to write it never gives the entry back. */
  #hangUp(): void {
    if (this.#entries.length > 0 && this.#lost < 100 && this.#below(20) === 0) this.#lost++;
    this.#entries = [];
    this.#connected = false;
    this.#edge = true;
    this.cuts++;
    this.#sentSinceCut = false;
    this.#spins = 0;
    if (this.#below(2) === 0) Atomics.store(this.world.run.words, acksIndex, 0);
    // So quickly that nobody sees it.
    if (this.#below(3) === 0) this.#connect();
  }

  #take(count: number): void {
    if (!this.#connected || this.#entries.length === 0) return;
    for (const bytes of this.#entries.splice(0, count)) this.#taken += bytes;
    this.#edge = true;
  }

  /** Of what was taken, less than that, or what an earlier host said. */
  #acknowledge(): void {
    this.world.run.acknowledge(0, this.#taken - this.#below(2) * this.#below(1 << 20));
  }

  #below(limit: number): number {
    this.#random = (Math.imul(this.#random, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#random / 2 ** 32) * limit);
  }
}

test("a worker sends again after every return of the host, wherever the connection was cut", () => {
  const cuts = inQuickForm(200, inLongForm(1_000, 30_000));
  const current = new Model(testSeed, cuts);
  try {
    current.world.order(Order.running);
    expect(moveStream(current.world.stream)).toBe(Outcome.exit);
    expect(current.cuts).toBeGreaterThanOrEqual(cuts);
    expect(current.sentAfterCut).toBeGreaterThan(cuts / 3);
    expect(current.largest).toBeGreaterThan(transportLimits.virtioSpliceBytes);
    expect(current.world.run.counter(0, Counter.lostBytes)).toBe(0);
  } finally {
    current.world.close();
    model = undefined;
  }
}, 300_000);
