/** What a ring has on the disk while snapshots are taken of it: its pieces, and what it no longer needs and somebody reads. */
import { afterAll, beforeEach, expect, setDefaultTimeout, spyOn, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { gzipSync } from "node:zlib";
import { closeFd } from "../../../ffi/fd.ts";
import type { CutMachine } from "../../../src/host/machines/cutter.ts";
import { SessionDirectory } from "../../../src/host/machines/session-directory.ts";
import { Ring } from "../../../src/host/segments/ring.ts";
import { SegmentStore } from "../../../src/host/segments/segment-store.ts";
import { openTraceDat } from "../../../src/trace-dat/read/reader.ts";
import type { Spool } from "../../../src/trace-dat/spool/spool.ts";
import { fakeHeaderPage, fakeHello } from "../../support/fake-replies.ts";
import { numberedEvents, numberedSubBuffer, numbersIn } from "../../support/numbered.ts";
import { bodyOf, subBufferBytes } from "../../support/sub-buffers.ts";

setDefaultTimeout(300_000);
const MiB = 1024 * 1024;
const maxBytes = 2 * MiB;
const folder = mkdtempSync(`${tmpdir()}/ta-ring-`);
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
let directory: SessionDirectory;
let store: SegmentStore;
let ring: Ring;
/** What happens whenever the ports are served. */
let turn = (): void => {};
let sources: Source[] = [];
beforeEach(() => {
  directory = SessionDirectory.open(`${folder}/${++count}`, undefined);
  store = new SegmentStore(directory, {}, { bytes: 0 });
  turn = () => {};
  sources = [];
  ring = new Ring(store, {
    latencyMs: 1,
    past: false,
    turn: () => {
      for (const source of sources) source.tellCounters();
      return Promise.resolve(turn());
    },
    stop: () => {},
    lastMs: 3_600_000,
    maxBytes,
    afterMs: 0,
    everyMs: 0,
  });
});

/** A guest of one CPU whose data comes when the test says so. */
class Source {
  readonly machine: CutMachine & { ended: boolean };
  readonly spool: Spool;
  readonly pieceBytes: number;
  readonly #observer;
  readonly #reader = { cpu: 0, received: 0 };
  #number = 0;

  constructor(traceId: bigint) {
    const entry = directory.machine("vm1", "guest");
    this.machine = { name: "vm1", entry, traceId, ended: false, trouble: undefined, refused: undefined };
    sources.push(this);
    this.spool = directory.createSpool("vm1");
    this.#observer = ring.join(this.machine, this.spool);
    const body = gzipSync(
      JSON.stringify(bodyOf({ "events/header_page": fakeHeaderPage, trace_clock: "[mono_raw]\n" })),
    );
    const facts = { hello: { ...fakeHello, nonce: "1", state: "armed", cpus: [], words: [] }, body, latencyMs: 1 };
    this.pieceBytes = this.#observer.begin(facts as never, [this.#reader as never]);
    this.#observer.started({ hello: facts.hello, before: undefined, start: undefined, vcpus: undefined } as never);
  }

  /** Those of before: nothing is told of the guest. */
  tellCounters(): void {
    this.#observer.counters(undefined);
  }

  end(): void {
    this.#observer.ended({ reason: "" });
    this.machine.ended = true;
  }

  /** Whole pieces; the ring looks after each. */
  receive(bytes: number): void {
    for (let done = 0; done < bytes; done += this.pieceBytes) {
      const index = this.#reader.received / this.pieceBytes;
      const fd = this.spool.createPiece(0, index);
      this.#observer.pieceBegins(0, index);
      for (let at = 0; at < this.pieceBytes; at += subBufferBytes) {
        writeSync(fd, numberedSubBuffer(1_000_000n + BigInt(this.#number) * 100n, 0, this.#number));
        this.#number += numberedEvents;
      }
      closeFd(fd);
      this.#reader.received += this.pieceBytes;
      ring.turn();
    }
  }

  get diskBytes(): number {
    const { path } = this.spool;
    return readdirSync(path)
      .filter((name) => name.startsWith("cpu"))
      .reduce((sum, name) => sum + statSync(`${path}/${name}`).size, 0);
  }
}

function numbersOf(file: string): { events: number; first: number; faults: string[] } | undefined {
  const opened = openTraceDat(`${directory.path}/${file}`);
  const numbers = numbersIn(opened).get(0);
  opened.close();
  return numbers;
}

test("the ring keeps its size while a snapshot is written, which has all that it was to have", async () => {
  const source = new Source(1n);
  source.receive(2 * maxBytes);
  expect(source.diskBytes).toBeLessThanOrEqual(maxBytes + source.pieceBytes);
  const write = store.write.bind(store);
  let most = 0;
  spyOn(store, "write").mockImplementation(async (...args) => {
    source.receive(3 * maxBytes);
    most = source.diskBytes;
    return await write(...args);
  });
  const result = await ring.snapshot({ trigger: "command" });
  // The ring, and what the snapshot reads.
  expect(most).toBeGreaterThan(2 * maxBytes - 3 * source.pieceBytes);
  expect(most).toBeLessThanOrEqual(2 * (maxBytes + source.pieceBytes));
  expect(source.diskBytes).toBeLessThanOrEqual(maxBytes + source.pieceBytes);
  expect(ring.diskBytes).toBe(source.diskBytes + store.bytes);
  const numbers = numbersOf(result.taken ? (result.files[0]?.file ?? "") : "");
  expect(numbers?.faults).toEqual([]);
  expect(numbers?.events).toBeGreaterThan(((maxBytes - source.pieceBytes) / subBufferBytes) * numberedEvents);
});

test("what comes after the trigger does not drive out all that led to it", async () => {
  const source = new Source(1n);
  source.receive(2 * maxBytes);
  const before = (2 * maxBytes * numberedEvents) / subBufferBytes;
  turn = () => source.receive(MiB);
  const result = await ring.snapshot({ trigger: "command" });
  const numbers = numbersOf(result.taken ? (result.files[0]?.file ?? "") : "");
  expect(numbers?.faults).toEqual([]);
  // A third of what the ring holds, at least.
  expect(before - (numbers?.first ?? before)).toBeGreaterThan(((maxBytes / 3) * numberedEvents) / subBufferBytes);
  expect(source.diskBytes).toBeLessThanOrEqual(maxBytes + source.pieceBytes);
});

test("what a guest left is there until it is recorded anew", async () => {
  const first = new Source(1n);
  first.receive(MiB);
  first.end();
  const second = new Source(2n);
  ring.turn();
  expect(existsSync(first.spool.path)).toBe(true);
  const result = await ring.snapshot({ trigger: "guest-gone", machine: "vm1" });
  expect(result.taken && result.files.map(({ bytes }) => bytes > MiB)).toEqual([true]);
  second.receive(second.pieceBytes);
  ring.turn();
  expect(existsSync(first.spool.path)).toBe(false);
});
