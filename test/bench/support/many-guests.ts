/**
 * Any number of fake guests on FIFOs or sockets, served by this process at little cost: they answer what a recorder asks. Their data comes from
 * elsewhere (feed.c).
 */
import { readFileSync } from "node:fs";
import { ClockReading, clockNames } from "../../../ffi/clocks.ts";
import { ReadySet } from "../../../ffi/epoll.ts";
import { closeFd, O, openFd, readInto, writeFrom } from "../../../ffi/fd.ts";
import { controlPortName, dataPortName } from "../../../src/protocol/ports.ts";
import { makeGuestDirectory } from "../../../src/host/setup/setup.ts";
import { planSetup } from "../../../src/host/setup/setup-plan.ts";
import { fakeHeaderPage, fakeHello, noCounters } from "../../support/fake-replies.ts";
import { sectionsBody } from "../../support/sub-buffers.ts";

const pollMs = 2;
const frameBytes = 32 * 1024;

export class ManyGuests {
  readonly directories: readonly string[];
  readonly dataPorts: readonly string[];
  readonly #ready = new ReadySet(64);
  readonly #guests = new Map<number, Guest>();
  readonly #timer: Timer;
  readonly #buffer = new Uint8Array(new ArrayBuffer(64 * 1024));

  /** Data ports are FIFOs, or are left to whoever listens. Every guest tells `symbols`. */
  constructor(folder: string, count: number, cpus: number, symbols: string) {
    const names = Array.from({ length: count }, (_, index) => `vm${index}`);
    this.directories = names.map((name) => `${folder}/${name}`);
    const frames = framesOf(sectionsBody({ kallsyms: symbols, printk_formats: "" }));
    for (const directory of this.directories) {
      makeGuestDirectory(directory, planSetup(cpus), "fifo", undefined);
      const guest = new Guest(directory, cpus, frames);
      this.#guests.set(guest.orders, guest);
      this.#ready.add(guest.orders);
    }
    const data = Array.from({ length: cpus }, (_, cpu) => dataPortName(cpu));
    this.dataPorts = this.directories.flatMap((directory) => data.map((name) => `${directory}/${name}.out`));
    this.#timer = setInterval(() => this.#serve(), pollMs);
  }

  /** From now on this one answers nothing. */
  silence(index: number): void {
    const guest = [...this.#guests.values()][index];
    if (guest !== undefined) guest.isSilent = true;
  }

  /** What came into each of `dataPorts`: guests tell it when they are stopped. */
  sent(bytes: readonly number[]): void {
    const guests = [...this.#guests.values()];
    const cpus = bytes.length / guests.length;
    for (const [index, guest] of guests.entries()) guest.sent = bytes.slice(index * cpus, (index + 1) * cpus);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#ready.close();
    for (const guest of this.#guests.values()) guest.close();
  }

  #serve(): void {
    const count = this.#ready.wait(0);
    for (let index = 0; index < count; index++) {
      const fd = this.#ready.readyFd(index);
      const bytes = readInto(fd, this.#buffer);
      if (bytes > 0) this.#guests.get(fd)?.hear(Buffer.from(this.#buffer.subarray(0, bytes)).toString("latin1"));
    }
    for (const guest of this.#guests.values()) guest.flush();
  }
}

type Frames = readonly Uint8Array<ArrayBuffer>[];

/** A body as it goes over the control port. */
function framesOf(body: Buffer): Frames {
  const frames: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0; at < body.length; at += frameBytes) {
    const part = body.subarray(at, at + frameBytes);
    const last = at + frameBytes >= body.length ? { last: true } : {};
    const line = Buffer.from(`${JSON.stringify({ reply: "frame", bytes: part.length, ...last })}\n`);
    frames.push(new Uint8Array(Buffer.concat([line, part])));
  }
  return frames;
}

const smallFrames = framesOf(
  sectionsBody({ "events/header_page": fakeHeaderPage, "events/header_event": "x", saved_cmdlines: "1 a\n" }),
);

class Guest {
  isSilent = false;
  readonly orders: number;
  /** By CPU. */
  sent: readonly number[] = [];
  readonly #out: number;
  readonly #cpus: number;
  readonly #symbols: Frames;
  #pending: Uint8Array<ArrayBuffer>[] = [];
  #line = "";
  #state: "armed" | "running" = "armed";

  constructor(directory: string, cpus: number, symbols: Frames) {
    this.#cpus = cpus;
    this.#symbols = symbols;
    this.orders = openFd(`${directory}/${controlPortName}.in`, O.RDWR | O.NONBLOCK);
    this.#out = openFd(`${directory}/${controlPortName}.out`, O.RDWR | O.NONBLOCK);
  }

  hear(text: string): void {
    const lines = (this.#line + text).split("\n");
    this.#line = lines.pop() ?? "";
    for (const line of lines) if (!this.isSilent) this.#carryOut(line);
  }

  flush(): void {
    for (let first = this.#pending[0]; first !== undefined; first = this.#pending[0]) {
      const sent = writeFrom(this.#out, first);
      if (sent < first.length) {
        if (sent > 0) this.#pending[0] = first.slice(sent);
        return;
      }
      this.#pending.shift();
    }
  }

  close(): void {
    closeFd(this.orders);
    closeFd(this.#out);
  }

  #carryOut(order: string): void {
    const [word = "", ...rest] = order.split(" ");
    const cpus = Array.from({ length: this.#cpus }, (_, cpu) => ({ cpu, bytes: this.sent[cpu] ?? 0 }));
    if (word === "1" || word === "0") this.#state = word === "1" ? "running" : "armed";
    const state = this.#state;
    switch (word) {
      case "hello":
        return this.#reply({
          ...fakeHello,
          nonce: rest[0],
          words: ["host", "frames", "sections", "ack", "clock"],
          bootId: "b",
          state,
          cpus: cpus.map(({ cpu, bytes }) => ({ cpu, bytes, port: "open", state })),
        });
      case "host":
        return this.#reply({ reply: "host", protocol: Number(rest[0]) });
      case "1":
        return this.#reply({ reply: "start", state, streams: cpus });
      case "0":
        return this.#reply({ reply: "stop", state, streams: cpus.map((cpu) => Object.assign(cpu, { lostBytes: 0 })) });
      case "status":
        return this.#reply({
          reply: "status",
          state,
          repliesDropped: 0,
          cpus: cpus.map((cpu) => Object.assign(cpu, noCounters, { state, port: "open" })),
        });
      case "clock": {
        const reading = new ClockReading();
        reading.take();
        const clocks = Object.fromEntries(clockNames.map((name) => [name, `${reading.at(name)}`]));
        return this.#reply({ reply: "clock", nonce: rest[0], read: clocks, sent: clocks });
      }
      case "set":
        return this.#reply({ reply: "set", key: rest[0], value: rest.slice(1).join(" "), previous: "1" });
      case "metadata":
        return this.#metadata(rest);
      default:
        return undefined;
    }
  }

  #metadata(sections: readonly string[]): void {
    this.#reply({ reply: "sections", sections });
    this.#pending.push(...(sections.includes("kallsyms") ? this.#symbols : smallFrames));
    this.flush();
  }

  #reply(reply: object): void {
    this.#pending.push(new Uint8Array(Buffer.from(`${JSON.stringify(reply)}\n`)));
    this.flush();
  }
}

/** The symbols of this machine's kernel, as a guest of the same kernel tells them. */
export function kernelSymbols(): string {
  return readFileSync("/proc/kallsyms", "latin1");
}
