/** A guest of one CPU whose recording is cut or kept in a ring, in this process: its data come when the test says so. */
import { readdirSync, statSync, writeSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { ClockReading } from "../../ffi/clocks.ts";
import { closeFd } from "../../ffi/fd.ts";
import type { CutMachine, Cutter } from "../../src/host/machines/cutter.ts";
import type { SessionDirectory } from "../../src/host/machines/session-directory.ts";
import type { Spool } from "../../src/trace-dat/spool/spool.ts";
import { fakeHeaderPage, fakeHello } from "./fake-replies.ts";
import { numberedEvents, numberedNs, numberedSubBuffer } from "./numbered.ts";
import { bodyOf, subBufferBytes } from "./sub-buffers.ts";

function hostNow(): bigint {
  const reading = new ClockReading();
  reading.take();
  return reading.at("mono_raw");
}

export class CutSource {
  readonly machine: CutMachine & { ended: boolean };
  readonly spool: Spool;
  readonly pieceBytes: number;
  readonly #cutter: Cutter;
  readonly #observer;
  readonly #reader = { cpu: 0, received: 0 };
  #number = 0;
  /** Of the guest's clock: a test sets it as it likes. */
  aheadNs = 0n;
  /** That has passed without events, by all clocks. */
  laterNs = 0n;
  /** By which cuts are behind all that came so far. */
  readonly #hostNs = hostNow() - 60_000_000_000n;

  readonly #clock: string;

  /** `toldBytes`: of symbols, at least. */
  constructor(cutter: Cutter, directory: SessionDirectory, traceId: bigint, toldBytes = 0, clock = "mono_raw") {
    this.#clock = clock;
    const entry = directory.machine("vm1", "guest");
    this.machine = { name: "vm1", entry, traceId, ended: false, trouble: undefined, refused: undefined };
    this.#cutter = cutter;
    this.spool = directory.createSpool("vm1");
    this.#observer = cutter.join(this.machine, this.spool);
    const told = { "events/header_page": fakeHeaderPage, trace_clock: `[${clock}]\n` };
    const symbols = toldBytes === 0 ? {} : { kallsyms: "0 t a\n".repeat(toldBytes / 6) };
    const body = gzipSync(JSON.stringify(bodyOf({ ...told, ...symbols })), { level: 0 });
    this.spool.writeMetadata("start", body);
    const facts = { hello: { ...fakeHello, nonce: "1", state: "armed", cpus: [], words: [] }, body, latencyMs: 1 };
    this.pieceBytes = this.#observer.begin(facts as never, [this.#reader as never]);
    this.spool.writeSession({ guest: "vm1", traceId, past: false, pieceBytes: this.pieceBytes });
    this.#observer.started({ hello: facts.hello, before: undefined, start: undefined, vcpus: undefined } as never);
  }

  get wantsCounters(): boolean {
    return this.#observer.wantsCounters();
  }

  /** Those of before: nothing is told of the guest. */
  tellCounters(): void {
    this.#observer.counters(undefined);
  }

  /** What is added to the guest's times. */
  get offsetNs(): bigint {
    return this.#hostNs - this.aheadNs;
  }

  /** Round trips of now. */
  tellBurst(): void {
    const { low, high } = { low: this.offsetNs - 10_000n, high: this.offsetNs + 10_000n };
    const offsets = { mono_raw: { low, high }, mono: { low, high }, boot: { low, high } };
    const burst = { clock: this.#clock, at: this.#now, rounds: 8, offsets };
    this.spool.addBurst(burst);
    this.#observer.burst(burst);
  }

  end(): void {
    this.#observer.ended({ reason: "" });
    this.machine.ended = true;
  }

  /** In pieces, of which the very last may be shorter; the cutter looks after each. */
  receive(bytes: number): void {
    for (let done = 0; done < bytes; done += this.pieceBytes) {
      const [index, part] = [this.#reader.received / this.pieceBytes, Math.min(this.pieceBytes, bytes - done)];
      const fd = this.spool.createPiece(0, index);
      this.#observer.pieceBegins(0, index);
      for (let at = 0; at < part; at += subBufferBytes) {
        writeSync(fd, numberedSubBuffer(this.#now, 0, this.#number));
        this.#number += numberedEvents;
      }
      closeFd(fd);
      this.#reader.received += part;
      this.#cutter.turn(true);
    }
  }

  get #now(): bigint {
    return 1_000_000n + BigInt(this.#number * numberedNs) + this.aheadNs + this.laterNs;
  }

  /** Of its stream. */
  get diskBytes(): number {
    const { path } = this.spool;
    return readdirSync(path)
      .filter((name) => name.startsWith("cpu"))
      .reduce((sum, name) => sum + statSync(`${path}/${name}`).size, 0);
  }
}
