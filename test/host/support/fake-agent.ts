/**
 * An agent that behaves as a test tells it, in a process of its own: `bun fake-agent.ts DIRECTORY SCRIPT(JSON)`. It serves the
 * ports of DIRECTORY as QEMU does, FIFOs or sockets, and says "ready" on stdout.
 */
import { constants, openSync, readSync, writeSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { cpuOfDataPort } from "../../../src/protocol/ports.ts";
import { metadataOf, subBuffer, subBufferBytes } from "./sub-buffers.ts";

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
  /** Ends so long after the start: the VM is gone. */
  endMs?: number;
  /** Sends data without end, so fast as they are taken. */
  endless?: boolean;
  /** This many sub-buffers of what the stop reply tells are never sent. */
  swallowed?: number;
  /** Answers to orders, by their first word, instead of the usual ones (latin1, with newlines). */
  answers?: Record<string, string>;
};

/** Fills of the data bytes, so that a test sees whose they are. */
export const staleFill = 0xee;
export const fillOf = (cpu: number, index: number): number => 1 + ((cpu * 31 + index) % 200);

type Port = { write: (bytes: Uint8Array) => void; pending: Uint8Array[]; flush: () => void };

const lookMs = 5;
const constantHello = {
  reply: "hello",
  agent: "trace-agent",
  version: "fake",
  protocol: 1,
  hostname: "vm",
  kernel: "6.12",
  machine: "x86_64",
  clock: "local",
  pageSize: 4096,
  subBufferSize: subBufferBytes,
  longSize: 8,
};
const noCounters = {
  subBuffers: 0,
  entries: 0,
  overrun: 0,
  commitOverrun: 0,
  droppedEvents: 0,
  readEvents: 0,
  lostBytes: 0,
  backpressure: 0,
  restarts: 0,
};

export class FakeAgent {
  readonly #script: FakeAgentScript;
  readonly #ports = new Map<string, Port>();
  #state: "armed" | "running";
  #bytes: number[];
  #startedAt: number[];
  #heardHello = false;
  #events = "irq:*";
  #line = "";

  constructor(directory: string, script: FakeAgentScript) {
    this.#script = script;
    this.#state = script.running === true ? "running" : "armed";
    this.#bytes = Array.from({ length: script.cpus }, () => 40_960);
    this.#startedAt = this.#bytes.map(() => 0);
    const names = ["agent-ctl-path", ...Array.from({ length: script.cpus }, (_, cpu) => `trace-path-cpu${cpu}`)];
    for (const name of names) {
      const hear = name === "agent-ctl-path" ? (bytes: Uint8Array): void => this.#hear(bytes) : (): void => {};
      this.#ports.set(name, script.transport === "fifo" ? fifoPort(directory, name, hear) : socketPort(directory, name, hear));
    }
  }

  serve(): void {
    const { stale = 0, staleReplies = "" } = this.#script;
    this.#control(staleReplies);
    this.#toAll(() => Array.from({ length: stale }, () => subBuffer(5, staleFill)), false);
    setInterval(() => {
      for (const port of this.#ports.values()) port.flush();
      if (this.#script.endless === true && this.#state === "running") {
        for (const [name, port] of this.#ports) {
          const cpu = cpuOfDataPort(name);
          if (cpu === undefined || port.pending.length > 64) continue;
          for (let index = 0; index < 256; index++) this.#data(cpu, subBuffer(300, fillOf(cpu, index)), true);
        }
      }
    }, lookMs);
    process.stdout.write("ready\n");
  }

  #hear(bytes: Uint8Array): void {
    for (const char of Buffer.from(bytes).toString("latin1")) {
      if (this.#line === "" && (char === "1" || char === "0")) this.#carryOut(char);
      else if (char !== "\n") this.#line += char;
      else if (this.#line !== "") {
        this.#carryOut(this.#line);
        this.#line = "";
      }
    }
  }

  #carryOut(order: string): void {
    const [word = "", ...rest] = order.split(" ");
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
          ...constantHello,
          nonce: rest[0],
          state: this.#state,
          cpus,
        });
      }
      case "1":
        return this.#heardHello ? this.#reply({ reply: "start", state: "running", streams: positions(this.#startedAt) }) : undefined;
      case "0": {
        if (!this.#heardHello) return undefined;
        const more = (this.#script.swallowed ?? 0) * subBufferBytes;
        const streams = positions(this.#bytes.map((bytes) => bytes + more)).map((stream) => Object.assign(stream, { lostBytes: 0 }));
        return this.#reply({ reply: "stop", state: "armed", streams });
      }
      case "status": {
        const cpus = positions(this.#bytes).map((stream) => Object.assign(stream, noCounters, { state: this.#state, port: "open" }));
        return this.#reply({ reply: "status", state: this.#state, repliesDropped: 0, cpus });
      }
      case "metadata": {
        // One line of a real header_page each.
        const page = "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n\tfield: char data;\toffset:16;\tsize:4080;\tsigned:1;\n";
        const metadata = metadataOf({ "events/header_page": page, "events/header_event": "x", "saved_cmdlines": `1 ${this.#events}\n` });
        const body = gzipSync(JSON.stringify({ ...metadata, cpus: this.#script.cpus }));
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

  #start(): void {
    const { subBuffers, late = 0, rebootMs, endMs } = this.#script;
    this.#state = "running";
    this.#toAll(() => Array.from({ length: late }, () => subBuffer(5, staleFill)), false);
    this.#startedAt = [...this.#bytes];
    this.#toAll((cpu) => Array.from({ length: subBuffers }, (_, index) => subBuffer(5, fillOf(cpu, index))), true);
    if (rebootMs !== undefined) setTimeout(() => this.#reboot(), rebootMs);
    if (endMs !== undefined) setTimeout(() => process.exit(0), endMs);
  }

  #reboot(): void {
    this.#state = "armed";
    this.#bytes = this.#bytes.map(() => 0);
    this.#heardHello = false;
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

/** Opened both ways, as QEMU does. */
function fifoPort(directory: string, name: string, hear: (bytes: Uint8Array) => void): Port {
  const out = openSync(`${directory}/${name}.out`, constants.O_RDWR | constants.O_NONBLOCK);
  const orders = openSync(`${directory}/${name}.in`, constants.O_RDWR | constants.O_NONBLOCK);
  const buffer = Buffer.alloc(65_536);
  setInterval(() => {
    try {
      hear(buffer.subarray(0, readSync(orders, buffer)));
    } catch {
      // Nothing there.
    }
  }, lookMs);
  return queued((bytes) => {
    try {
      return writeSync(out, bytes);
    } catch {
      return 0;
    }
  });
}

function socketPort(directory: string, name: string, hear: (bytes: Uint8Array) => void): Port {
  let client: { write: (bytes: Uint8Array) => number } | undefined;
  Bun.listen({
    unix: `${directory}/${name}.sock`,
    socket: {
      open: (socket) => void (client = socket),
      data: (_, bytes) => hear(bytes),
      close: () => void (client = undefined),
    },
  });
  return queued((bytes) => Math.max(0, client?.write(bytes) ?? 0));
}

function queued(write: (bytes: Uint8Array) => number): Port {
  const pending: Uint8Array[] = [];
  const flush = (): void => {
    for (let first = pending[0]; first !== undefined; first = pending[0]) {
      const count = write(first);
      if (count < first.length) {
        pending[0] = first.subarray(count);
        return;
      }
      pending.shift();
    }
  };
  return {
    pending,
    flush,
    write: (bytes) => {
      pending.push(bytes);
      flush();
    },
  };
}

if (import.meta.main) {
  const [directory = "", text = "{}"] = process.argv.slice(2);
  new FakeAgent(directory, JSON.parse(text) as FakeAgentScript).serve();
}
