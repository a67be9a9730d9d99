/**
 * Orders of the host, as they come out of the control port.
 *
 *     1            start          answered only after a hello, so that `echo 1 > agent-ctl-path.in` never fills the way back
 *     0            stop           likewise
 *     hello NONCE  who is there   answered by one JSON line (replies.ts), like the rest
 *     host N [WORD...]  the protocol that the host knows, only where the hello lists "host"; answered by the one to be spoken. Words
 *                  of what it does beyond that (`hostWords`)
 *     ack CPU BYTES  the host has taken the CPU's stream up to this position; not answered
 *     status       the counters
 *     clock NONCE  what the guest's clocks show, answered at once, also while other orders are carried out
 *     metadata     what decoding needs; metadata SECTION...: only these parts of it (sections.ts)
 *     set KEY VALUE   a setting of the guest's tracing (`settableKeys`)
 *     set KEY+ PART   a part of a value that is longer than a line; `set KEY+ .`: the value is complete and takes effect
 *     restore [KEY...]  restores what this session set, of these keys, or of all keys
 *     set lease SECONDS   how long what a session set outlives the last sign of its host
 *     set latency_ms N    how long an event may wait in the guest
 *
 * `1` and `0` count at once wherever a line may begin, with or without a newline: the kernel agent's host writes single
 * bytes. Every other order is a line. Nothing in an order names a path or a program. All bytes are untrusted: a line has a
 * bound, and what goes beyond it is dropped up to the next newline.
 */
import { protocolLimits } from "./limits.ts";
import { knownSections, parseSections, type Section } from "./sections.ts";
import { settingWords } from "./words.ts";

const settableKeys = ["events", "buffer_size_kb", "clock", "tracing_on", ...settingWords] as const;
export type SettableKey = (typeof settableKeys)[number];

/** Lists, of which none is a sensible setting; the others have no empty value. */
const emptyAllowed: ReadonlySet<SettableKey> = new Set([
  "events",
  "functions",
  "no_functions",
  "graph_functions",
  "pids",
]);
/** The part that ends a value sent in parts. */
export const endOfParts = ".";

export type Order =
  | { order: "start" }
  | { order: "stop" }
  | { order: "hello"; nonce: string }
  | { order: "host"; protocol: number; words: readonly string[] }
  | { order: "ack"; cpu: number; bytes: number }
  | { order: "status" }
  | { order: "clock"; nonce: string }
  /** Without sections: all of it. */
  | { order: "metadata"; sections?: readonly Section[] }
  | { order: "set"; key: SettableKey; value: string }
  /** `part` is undefined at the end of the value. */
  | { order: "part"; key: SettableKey; part: string | undefined }
  | { order: "restore"; keys: readonly SettableKey[] }
  | { order: "lease"; seconds: number }
  | { order: "latency_ms"; ms: number }
  | { order: "malformed"; text: string; reason: string };

const nonce = /^[\w.:-]{1,64}$/;
const newline = 0x0a;
const carriageReturn = 0x0d;
const zero = 0x30;
const one = 0x31;

/** Takes bytes as they arrive, split or joined in any way, and returns the orders that they complete. */
export class OrderDecoder {
  readonly #line = Buffer.alloc(protocolLimits.orderLineBytes);
  #length = 0;
  /** The line is longer than the bound, or not text: bytes are dropped up to the next newline. */
  #dropping = false;

  decode(bytes: Uint8Array): Order[] {
    const orders: Order[] = [];
    for (const byte of bytes) {
      const order = this.#take(byte);
      if (order !== undefined) orders.push(order);
    }
    return orders;
  }

  #take(byte: number): Order | undefined {
    if (byte === newline) return this.#endLine();
    if (this.#dropping) return undefined;
    if (this.#length === 0) {
      if (byte === one) return { order: "start" };
      if (byte === zero) return { order: "stop" };
      // NULs and carriage returns between orders come from `echo -e`, terminals, and C strings written with their
      // terminator.
      if (byte === 0 || byte === carriageReturn) return undefined;
    }
    if (this.#length === this.#line.length) {
      this.#dropping = true;
      return {
        order: "malformed",
        text: this.#text().slice(0, 40),
        reason: `longer than ${protocolLimits.orderLineBytes} bytes`,
      };
    }
    this.#line[this.#length++] = byte;
    return undefined;
  }

  #endLine(): Order | undefined {
    const text = this.#text();
    const ignore = this.#dropping || text.trim() === "";
    this.#length = 0;
    this.#dropping = false;
    return ignore ? undefined : parseOrder(text);
  }

  #text(): string {
    return this.#line.toString("latin1", 0, this.#length);
  }
}

/** One line without its newline. */
export function parseOrder(line: string): Order {
  const text = line.trimEnd();
  const malformed = (reason: string): Order => ({ order: "malformed", text: text.slice(0, 80), reason });
  if (!/^[\x20-\x7e]*$/.test(text)) return malformed("not printable ASCII");
  const space = text.indexOf(" ");
  const word = space < 0 ? text : text.slice(0, space);
  const rest = space < 0 ? "" : text.slice(space + 1);
  switch (word) {
    case "status":
      return rest === "" ? { order: "status" } : malformed("status takes no argument");
    case "metadata": {
      if (rest === "") return { order: "metadata" };
      const { sections, unknown } = parseSections(rest);
      if (unknown !== undefined) return malformed(`metadata knows ${knownSections}; not "${unknown.slice(0, 40)}"`);
      return { order: "metadata", sections };
    }
    case "hello":
      return nonce.test(rest)
        ? { order: "hello", nonce: rest }
        : malformed("hello takes one word of at most 64 letters and digits");
    case "clock":
      return nonce.test(rest)
        ? { order: "clock", nonce: rest }
        : malformed("clock takes one word of at most 64 letters and digits");
    case "host":
      return parseHost(rest, malformed);
    case "ack":
      return parseAck(rest, malformed);
    case "set":
      return parseSet(rest, malformed);
    case "restore":
      return parseRestore(rest, malformed);
    default:
      return malformed("no such order");
  }
}

function parseSet(rest: string, malformed: (reason: string) => Order): Order {
  const space = rest.indexOf(" ");
  const name = space < 0 ? rest : rest.slice(0, space);
  const value = space < 0 ? "" : rest.slice(space + 1).trim();
  if (name === "lease") return parseLease(value, malformed);
  if (name === "latency_ms") return parseLatency(value, malformed);
  const isPart = name.endsWith("+");
  const key = settableKey(isPart ? name.slice(0, -1) : name);
  if (key === undefined) return malformed(`set knows ${[...settableKeys, "lease", "latency_ms"].join(", ")}`);
  if (value === "" && (isPart || !emptyAllowed.has(key))) return malformed(`set ${name} takes a value`);
  if (isPart) return { order: "part", key, part: value === endOfParts ? undefined : value };
  return { order: "set", key, value };
}

function parseHost(rest: string, malformed: (reason: string) => Order): Order {
  const [, protocol, words = ""] = /^([1-9]\d{0,3})((?: [a-z]\w{0,31}){0,16})$/.exec(rest) ?? [];
  if (protocol === undefined) return malformed("host takes the number of a protocol, and words");
  return { order: "host", protocol: Number(protocol), words: words.split(" ").slice(1) };
}

function parseAck(rest: string, malformed: (reason: string) => Order): Order {
  const [, cpu, bytes] = /^(\d{1,5}) (\d{1,16})$/.exec(rest) ?? [];
  if (cpu === undefined || !Number.isSafeInteger(Number(bytes)))
    return malformed("ack takes a CPU and a position in its stream");
  return { order: "ack", cpu: Number(cpu), bytes: Number(bytes) };
}

function parseLease(value: string, malformed: (reason: string) => Order): Order {
  const { leaseSecondsMin: least, leaseSecondsMax: most } = protocolLimits;
  const seconds = /^\d{1,5}$/.test(value) ? Number(value) : -1;
  return seconds >= least && seconds <= most
    ? { order: "lease", seconds }
    : malformed(`set lease takes ${least} to ${most} seconds`);
}

function parseLatency(value: string, malformed: (reason: string) => Order): Order {
  const { latencyMsMin: least, latencyMsMax: most } = protocolLimits;
  const ms = /^\d{1,6}$/.test(value) ? Number(value) : -1;
  return ms >= least && ms <= most
    ? { order: "latency_ms", ms }
    : malformed(`set latency_ms takes ${least} to ${most} ms`);
}

function parseRestore(rest: string, malformed: (reason: string) => Order): Order {
  const keys: SettableKey[] = [];
  for (const word of rest.split(" ").filter((part) => part !== "")) {
    const key = settableKey(word);
    if (key === undefined) return malformed(`restore knows ${settableKeys.join(", ")}`);
    keys.push(key);
  }
  return { order: "restore", keys };
}

function settableKey(name: string): SettableKey | undefined {
  return settableKeys.find((known) => known === name);
}
