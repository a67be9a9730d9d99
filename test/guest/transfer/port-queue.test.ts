import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { PortQueue, portQueueNumbers } from "../../../src/guest/transfer/port-queue.ts";
import { RunState, Counter } from "../../../src/guest/transfer/run-state.ts";
import { transportLimits } from "../../../src/transport/limits.ts";
import { inLongForm } from "../../support/long.ts";
import { inQuickForm } from "../../support/quick.ts";
import { testSeed } from "../../support/seed.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
const boundBytes = 10 * MiB;
const entries = transportLimits.virtioQueueEntries;

/** A guest's worker, its port's queue as the device has it, and a host, of whom each does what the test says. */
class World {
  readonly queue = new PortQueue(new Float64Array(portQueueNumbers));
  /** Bytes of each entry, and how many of them the host has taken; the guest has a page back when its whole entry is taken. */
  entries: { bytes: number; taken: number }[] = [];
  sent = 0;
  taken = 0;
  /** Entries that the device has lost, with their pages. */
  lost: number[] = [];
  #leaves = 0;
  #acknowledged = -1;
  /** Of the next piece, which lies in the pipe while the port is full. */
  pipeBytes = 0;
  heldMost = 0;

  constructor() {
    this.queue.forget();
  }

  /** What an agent that was killed has left. */
  inherit(pieces: readonly number[]): this {
    this.entries = pieces.map((bytes) => ({ bytes, taken: 0 }));
    return this;
  }

  get heldBytes(): number {
    const lost = this.lost.reduce((sum, bytes) => sum + bytes, 0);
    return this.entries.reduce((sum, { bytes }) => sum + bytes, this.pipeBytes + lost);
  }

  /** The worker takes a piece if it has none, and offers it. False when the port is full. */
  send(acks: boolean, availableBytes = Infinity, subBufferBytes = 4 * KiB): boolean {
    if (this.pipeBytes === 0) {
      const piece = this.queue.pieceBytes(acks, subBufferBytes, 76 * KiB, 1 * MiB);
      const whole = Math.max(Math.floor(Math.min(piece, availableBytes) / subBufferBytes), 1) * subBufferBytes;
      this.pipeBytes = whole;
    }
    this.#note();
    if (this.entries.length + this.lost.length >= entries) return false;
    this.entries.push({ bytes: this.pipeBytes, taken: 0 });
    this.queue.add(this.pipeBytes);
    this.sent += this.pipeBytes;
    this.pipeBytes = 0;
    this.#note();
    return true;
  }

  /** The host takes so many bytes. */
  take(bytes: number): void {
    for (let left = bytes; left > 0 && this.entries.length > 0;) {
      const [oldest] = this.entries;
      if (oldest === undefined) break;
      const part = Math.min(left, oldest.bytes - oldest.taken);
      oldest.taken += part;
      left -= part;
      this.taken += part;
      if (oldest.taken === oldest.bytes) this.entries.shift();
    }
  }

  acknowledge(position: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, position);
    this.queue.acknowledge(position);
  }

  /**
   * The host's client dies. It has taken the pieces before the largest one, and the device loses that one, which it had begun to write.
   * The next client begins behind all of it.
   */
  leave(): void {
    if (this.entries.length > 0) this.lost.push(Math.max(...this.entries.map(({ bytes }) => bytes)));
    this.entries = [];
    this.taken = this.sent;
    this.queue.hostLeft(++this.#leaves, this.#acknowledged);
    this.#note();
  }

  /** Another agent, of an empty port: it knows nothing of what was lost, which the guest does without for good and which is not this one's. */
  restart(): void {
    this.lost = this.lost.map(() => 0);
    this.queue.forget();
  }

  /** Sends until the port is full; gives the sizes of the pieces. */
  fill(acks: boolean): number[] {
    const pieces: number[] = [];
    while (this.send(acks)) pieces.push(this.entries.at(-1)?.bytes ?? 0);
    return pieces;
  }

  #note(): void {
    this.heldMost = Math.max(this.heldMost, this.heldBytes);
  }
}

describe("the queue of a port", () => {
  test("whose host acknowledges is given pieces of 1 MiB, whatever passes through it", () => {
    const world = new World();
    world.queue.acknowledge(0);
    for (let round = 0; round < 1000; round++) {
      world.send(true);
      expect(world.entries.at(-1)?.bytes).toBe(1 * MiB);
      world.take(Infinity);
      world.queue.acknowledge(world.taken);
    }
    expect(world.heldMost).toBeLessThan(boundBytes);
  });

  test("whose host has stopped to acknowledge is filled with 8 KiB a piece beside a full window, within its bound", () => {
    const world = new World();
    world.queue.acknowledge(0);
    const pieces = world.fill(true);
    expect(pieces).toHaveLength(entries);
    expect(pieces.filter((bytes) => bytes === 1 * MiB).length).toBe(8);
    expect(pieces.slice(10)).toEqual(Array.from({ length: entries - 10 }, () => 8 * KiB));
    expect(world.heldMost).toBeLessThan(boundBytes);
  });

  test("whose host reads on without acknowledging returns to 76 KiB a piece when as many pieces were accepted as it has entries", () => {
    const world = new World();
    world.queue.acknowledge(0);
    world.fill(true);
    const pieces: number[] = [];
    for (let round = 0; round < 2 * entries; round++) {
      world.take(world.entries[0]?.bytes ?? 0);
      world.send(true);
      pieces.push(world.entries.at(-1)?.bytes ?? 0);
    }
    expect(new Set(pieces.slice(1))).toEqual(new Set([76 * KiB]));
    expect(world.heldMost).toBeLessThan(boundBytes);
  });

  test("of a host that never acknowledges is given 76 KiB a piece, after what an earlier process may have left there", () => {
    const world = new World();
    const pieces = world.fill(false);
    // The last of them is accepted when nothing of an earlier process can be left.
    expect(pieces.slice(1, -1)).toEqual(Array.from({ length: entries - 2 }, () => 8 * KiB));
    world.take(Infinity);
    const later = world.fill(false);
    expect(later.slice(1)).toEqual(Array.from({ length: entries - 1 }, () => 76 * KiB));
    expect(world.heldMost).toBeLessThan(boundBytes);
  });

  test("of a guest with sub-buffers of 64 KiB keeps its bound as well", () => {
    const world = new World();
    world.queue.acknowledge(0);
    while (world.send(true, Infinity, 64 * KiB));
    expect(world.entries).toHaveLength(entries);
    expect(world.heldMost).toBeGreaterThan(9 * MiB);
    expect(world.heldMost).toBeLessThan(boundBytes);
  });

  test("counts a piece that was acknowledged in part as held", () => {
    const world = new World();
    world.queue.acknowledge(0);
    world.send(true);
    world.queue.acknowledge(1 * MiB - 1);
    expect(world.queue.heldBytes).toBe(1 * MiB);
    world.queue.acknowledge(1 * MiB);
    expect(world.queue.heldBytes).toBe(0);
  });

  test("whose clients die again and again, each with a piece that is lost to the device, costs no more than its bound", () => {
    const world = new World();
    for (let round = 0; round < entries - 1; round++) {
      world.acknowledge(world.sent);
      world.fill(true);
      world.leave();
    }
    expect(world.lost.slice(0, 7)).toEqual(Array.from({ length: 7 }, () => 1 * MiB));
    expect(Math.max(...world.lost.slice(12))).toBe(8 * KiB);
    expect(world.heldMost).toBeLessThan(boundBytes);
  });

  test("loses nothing to a client that has acknowledged all of it, and nothing twice", () => {
    const world = new World();
    for (let round = 1; round <= 20; round++) {
      world.acknowledge(world.sent);
      world.send(true);
      expect(world.entries.at(-1)?.bytes).toBe(1 * MiB);
      world.take(Infinity);
      world.acknowledge(world.sent);
      world.leave();
    }
    world.fill(true);
    world.queue.hostLeft(100, world.sent - 1);
    const room = world.queue.pieceBytes(true, 4 * KiB, 76 * KiB, 1 * MiB);
    world.queue.hostLeft(101, world.sent - 1);
    expect(world.queue.pieceBytes(true, 4 * KiB, 76 * KiB, 1 * MiB)).toBe(room);
  });

  test("holds less than 10 MiB whatever is sent, taken, acknowledged and left undone, and whoever the host is", () => {
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          kind: fc.constant("send" as const),
          count: fc.integer({ min: 1, max: 200 }),
          acks: fc.boolean(),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant("little" as const), bytes: fc.integer({ min: 1, max: 200_000 }) }),
      },
      {
        weight: 3,
        arbitrary: fc.record({ kind: fc.constant("take" as const), bytes: fc.integer({ min: 1, max: 12 * MiB }) }),
      },
      // Late, or of less than was taken; never of more.
      { weight: 3, arbitrary: fc.record({ kind: fc.constant("ack" as const), lateBytes: fc.nat(2 * MiB) }) },
      { weight: 1, arbitrary: fc.constant({ kind: "restart" as const }) },
      { weight: 1, arbitrary: fc.constant({ kind: "leave" as const }) },
    );
    const left = fc.constantFrom<number[]>(
      [],
      Array.from({ length: entries }, () => 76 * KiB),
      [...Array.from({ length: 8 }, () => MiB), ...Array.from({ length: 40 }, () => 8 * KiB)],
    );
    let held = 0;
    let large = 0;
    fc.assert(
      fc.property(left, fc.array(step, { maxLength: 60 }), (inherited, steps) => {
        const world = new World().inherit(inherited);
        const inheritedBytes = world.heldBytes;
        for (const one of steps) {
          if (one.kind === "take") world.take(one.bytes);
          else if (one.kind === "little") world.send(true, one.bytes);
          else if (one.kind === "send") for (let n = 0; n < one.count && world.send(one.acks); n++);
          // What an earlier process has left comes out first, and is not part of this stream.
          else if (one.kind === "ack") world.acknowledge(world.taken - inheritedBytes - one.lateBytes);
          else if (one.kind === "leave") world.leave();
          else if (world.entries.length === 0) world.restart();
          large += world.entries.some(({ bytes }) => bytes === MiB) ? 1 : 0;
        }
        held = Math.max(held, world.heldMost);
        expect(world.heldMost).toBeLessThan(boundBytes);
      }),
      { seed: testSeed, numRuns: inQuickForm(400, inLongForm(2_000, 50_000)) },
    );
    // The bound is reached, or nearly so, and large pieces were sent.
    expect(held).toBeGreaterThan(9 * MiB);
    expect(large).toBeGreaterThan(100);
  });
});

describe("an acknowledgement", () => {
  test("beyond what was sent is cut to it, and one of less than was acknowledged changes nothing", () => {
    const run = new RunState(2);
    const acknowledged = (): number[] => [0, 1].map((worker) => run.counter(worker, Counter.acknowledged));
    expect(acknowledged()).toEqual([-1, -1]);
    run.acknowledge(1, 5000);
    expect(acknowledged()).toEqual([-1, 0]);
    run.counters[Counter.bytes] = 100_000;
    run.acknowledge(0, 2 ** 53 - 1);
    run.acknowledge(0, 4096);
    expect(acknowledged()).toEqual([100_000, 0]);
  });
});
