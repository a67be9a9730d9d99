/**
 * An agent that behaves as a test tells it: it serves the ports of DIRECTORY as QEMU does, FIFOs or sockets. Tests have it in a process
 * with others (served-guest.ts); `bun fake-agent.ts DIRECTORY SCRIPT(JSON)` is one by itself, which says "ready" on stdout.
 */
import { appendFileSync, writeSync } from "node:fs";
import { ClockReading, clockNames } from "../../ffi/clocks.ts";
import { cpuOfDataPort } from "../../src/protocol/ports.ts";
import { fillOf, fullSubBuffers, staleSubBuffer } from "./fake-fills.ts";
import { openPorts, pollMs, type Port } from "./fake-ports.ts";
import { fakeHeaderPage, fakeHello, noCounters } from "./fake-replies.ts";
import { numberedEvents, numberedSubBuffer } from "./numbered.ts";
import { bodyOf, subBuffer, subBufferBytes } from "./sub-buffers.ts";

export type FakeAgentScript = {
  cpus: number;
  transport: "fifo" | "socket";
  /** Sub-buffers of this recording, per CPU. */
  subBuffers: number;
  /** The kernel's own agent: starts and stops, answers nothing. */
  silent?: boolean;
  /** Sub-buffers of an earlier session that lie in each data port. */
  stale?: number;
  /** The same, but they come only after the start order: the host's silence did not outwait them. */
  late?: number;
  /** What lies on the way back (latin1). */
  staleReplies?: string;
  /** An earlier host's start order was never taken back. */
  running?: boolean;
  /** Reboots so long after the start. */
  rebootMs?: number;
  /** Ends so long after the start, when all that it sent was taken: the VM is gone. */
  endMs?: number;
  /** Sends data without end, so fast as they are taken: from the start on, or when the test says so. */
  endless?: boolean | "later";
  /** Sends so many sub-buffers per CPU in each poll, stamped with mono_raw, whose events bear numbers (numbered.ts). */
  numbered?: number;
  /** The first of these numbers. */
  numbersFrom?: number;
  /** This many sub-buffers of what the stop reply tells are never sent; below 0 it tells of fewer than are sent. */
  swallowed?: number;
  /** Further files of its metadata. */
  files?: Record<string, string>;
  /** Its start reply tells the trace time of each CPU: all events of this recording are later, all stale ones earlier. */
  time?: boolean;
  /** The last sub-buffer of each recorded stream is one that no kernel writes. */
  damaged?: boolean;
  /** Each recorded stream ends with so many bytes of one more sub-buffer, and the stop reply tells of them. */
  partBytes?: number;
  /** What its hello says that it can do beyond protocol 1. */
  words?: string[];
  /** What its hello says besides, or instead. */
  hello?: Record<string, unknown>;
  /** So many ns are its clocks ahead of the host's: before the start, and after it, if it is another. */
  aheadNs?: number[];
  /** After it has sent so many numbered sub-buffers of each CPU its clocks step by so many ns. */
  steps?: { after: number; ns: number };
  /** A file that gets a line for each order. */
  ordersTo?: string;
  /** Answers to orders, by their first word, instead of the usual ones (latin1, with newlines). */
  answers?: Record<string, string>;
};

/** Sub-buffers of a CPU that the host has not taken. */
const pendingMost = 64;
/** The stamp of `subBuffer`. */
const startTime = "1000000";

export class FakeAgent {
  readonly #script: FakeAgentScript;
  readonly #ports: Map<string, Port>;
  #state: "armed" | "running";
  #bytes: number[];
  #startedAt: number[];
  #heardHello = false;
  #events = "irq:*";
  #starts = 0;
  readonly #timers: NodeJS.Timeout[] = [];
  /** While it runs. */
  #sending: NodeJS.Timeout | undefined;
  #isEndless: boolean;
  /** By CPU, that of its next event. */
  readonly #numbers: number[] = [];
  readonly #now = new ClockReading();

  constructor(directory: string, script: FakeAgentScript) {
    this.#script = script;
    this.#state = script.running === true ? "running" : "armed";
    this.#isEndless = script.endless === true;
    this.#bytes = Array.from({ length: script.cpus }, () => 40_960);
    this.#startedAt = this.#bytes.map(() => 0);
    this.#ports = openPorts(directory, script.cpus, script.transport, (order) => this.#carryOut(order));
  }

  serve(): void {
    const { stale = 0, staleReplies = "" } = this.#script;
    this.#control(staleReplies);
    this.#toAll(() => Array.from({ length: stale }, staleSubBuffer), false);
    if (this.#state === "running") this.#beginToSend();
  }

  #beginToSend(): void {
    const { endless, numbered } = this.#script;
    if (endless !== undefined || numbered !== undefined) this.#sending ??= setInterval(() => this.#sendMore(), pollMs);
  }

  /** As a VM that is killed. */
  end(): void {
    clearInterval(this.#sending);
    for (const timer of this.#timers) clearTimeout(timer);
    for (const port of this.#ports.values()) port.close();
  }

  sendWithoutEnd(): void {
    this.#isEndless = true;
  }

  reboot(): void {
    this.#state = "armed";
    this.#bytes = this.#bytes.map(() => 0);
    this.#heardHello = false;
  }

  #sendMore(): void {
    if (this.#state !== "running") {
      clearInterval(this.#sending);
      return void (this.#sending = undefined);
    }
    if (this.#isEndless) {
      for (const [name, port] of this.#ports) {
        const cpu = cpuOfDataPort(name);
        if (cpu !== undefined && port.pending.length === 0) this.#data(cpu, fullSubBuffers(cpu), true);
      }
    }
    this.#sendNumbered(this.#script.numbered ?? 0);
  }

  #carryOut(order: string): void {
    const [word = "", ...rest] = order.split(" ");
    if (this.#script.ordersTo !== undefined) appendFileSync(this.#script.ordersTo, `${order}\n`);
    if (word === "1") this.#start();
    if (word === "0") this.#state = "armed";
    if (this.#script.silent === true) return;
    const told = this.#script.answers?.[word];
    if (told !== undefined) return this.#control(told);
    switch (word) {
      case "hello": {
        this.#heardHello = true;
        const cpus = this.#bytes.map((bytes, cpu) => ({ cpu, port: "open", state: "armed", bytes }));
        return this.#reply({
          ...fakeHello,
          nonce: rest[0],
          state: this.#state,
          cpus,
          ...(this.#script.words === undefined ? {} : { words: this.#script.words, bootId: "b" }),
          ...this.#script.hello,
        });
      }
      case "host":
        return this.#reply({ reply: "host", protocol: Number(rest[0]) });
      case "1":
        return this.#heardHello
          ? this.#reply({ reply: "start", state: "running", streams: this.#startPositions() })
          : undefined;
      case "0": {
        if (!this.#heardHello) return undefined;
        const more = (this.#script.swallowed ?? 0) * subBufferBytes;
        const streams = positions(this.#bytes.map((bytes) => bytes + more)).map((stream) =>
          Object.assign(stream, { lostBytes: 0 }),
        );
        return this.#reply({ reply: "stop", state: "armed", streams });
      }
      case "status": {
        const { numbersFrom = 0 } = this.#script;
        const cpus = positions(this.#bytes).map((stream) =>
          Object.assign(stream, noCounters, {
            state: this.#state,
            port: "open",
            readEvents: (this.#numbers[stream.cpu] ?? numbersFrom) - numbersFrom,
          }),
        );
        return this.#reply({ reply: "status", state: this.#state, repliesDropped: 0, cpus });
      }
      case "clock": {
        this.#now.take();
        const clocks = Object.fromEntries(clockNames.map((name) => [name, `${this.#now.at(name) + this.#ahead}`]));
        return this.#reply({ reply: "clock", nonce: rest[0], read: clocks, sent: clocks });
      }
      case "metadata": {
        const metadata = bodyOf({
          "events/header_page": fakeHeaderPage,
          "events/header_event": "x",
          saved_cmdlines: `1 ${this.#events}\n`,
          ...this.#script.files,
        });
        const body = Bun.gzipSync(JSON.stringify({ ...metadata, cpus: this.#script.cpus }));
        this.#reply({ reply: "metadata", bytes: body.length, encoding: "gzip" });
        return this.#port("agent-ctl-path").write(body);
      }
      case "set": {
        const [key = "", ...value] = rest;
        const previous = key === "events" ? this.#events : "1";
        if (key === "events") this.#events = value.join(" ");
        return this.#reply({ reply: "set", key, value: value.join(" "), previous });
      }
      default:
        return this.#reply({ reply: "error", order, error: "no such order" });
    }
  }

  get #ahead(): bigint {
    const { aheadNs = [], steps = { after: Infinity, ns: 0 } } = this.#script;
    const begun = (this.#starts > 0 ? aheadNs[1] : undefined) ?? aheadNs[0] ?? 0;
    const sent = Math.min(...this.#bytes.map((_, cpu) => this.#numbers[cpu] ?? 0)) / numberedEvents;
    return BigInt(begun + (sent >= steps.after ? steps.ns : 0));
  }

  #sendNumbered(count: number): void {
    for (const cpu of this.#bytes.keys()) {
      if (count === 0 || this.#port(`trace-path-cpu${cpu}`).pending.length > pendingMost / count) continue;
      this.#data(cpu, Buffer.concat(Array.from({ length: count }, () => this.#nextNumbered(cpu))), true);
    }
  }

  #nextNumbered(cpu: number): Buffer {
    this.#now.take();
    const first = this.#numbers[cpu] ?? this.#script.numbersFrom ?? 0;
    const bytes = numberedSubBuffer(this.#now.at("mono_raw") + this.#ahead, cpu, first);
    this.#numbers[cpu] = first + numberedEvents;
    return bytes;
  }

  #start(): void {
    const { subBuffers, late = 0, partBytes = 0, rebootMs, endMs } = this.#script;
    this.#state = "running";
    this.#beginToSend();
    this.#starts++;
    this.#toAll(() => Array.from({ length: late }, staleSubBuffer), false);
    this.#startedAt = [...this.#bytes];
    this.#toAll((cpu) => Array.from({ length: subBuffers }, (_, index) => subBuffer(5, fillOf(cpu, index))), true);
    if (this.#script.damaged === true) this.#toAll(() => [Buffer.alloc(subBufferBytes, 0xff)], true);
    if (partBytes > 0) this.#toAll(() => [subBuffer(5).subarray(0, partBytes)], true);
    if (rebootMs !== undefined) this.#timers.push(setTimeout(() => this.reboot(), rebootMs));
    if (endMs !== undefined) this.#timers.push(setTimeout(() => this.#endWhenTaken(), endMs));
  }

  #startPositions(): { cpu: number; bytes: number; time?: string }[] {
    const started = positions(this.#startedAt);
    return this.#script.time === true ? started.map((stream) => Object.assign(stream, { time: startTime })) : started;
  }

  /** When the host, or what lies between, has taken all. */
  #endWhenTaken(): void {
    if ([...this.#ports.values()].every(({ pending }) => pending.length === 0)) return this.end();
    this.#timers.push(setTimeout(() => this.#endWhenTaken(), pollMs));
  }

  #toAll(make: (cpu: number) => Uint8Array[], counted: boolean): void {
    for (const cpu of this.#bytes.keys()) for (const bytes of make(cpu)) this.#data(cpu, bytes, counted);
  }

  #data(cpu: number, bytes: Uint8Array, counted: boolean): void {
    if (counted) this.#bytes[cpu] = (this.#bytes[cpu] ?? 0) + bytes.length;
    this.#port(`trace-path-cpu${cpu}`).write(bytes);
  }

  #reply(reply: object): void {
    this.#control(`${JSON.stringify(reply)}\n`);
  }

  #control(text: string): void {
    if (text !== "") this.#port("agent-ctl-path").write(Buffer.from(text, "latin1"));
  }

  #port(name: string): Port {
    const port = this.#ports.get(name);
    if (port === undefined) throw new Error(`no port ${name}`);
    return port;
  }
}

function positions(bytes: readonly number[]): { cpu: number; bytes: number }[] {
  return bytes.map((count, cpu) => ({ cpu, bytes: count }));
}

if (import.meta.main) {
  const [directory = "", script = "{}"] = process.argv.slice(2);
  new FakeAgent(directory, JSON.parse(script) as FakeAgentScript).serve();
  writeSync(1, "ready\n");
}
