/**
 * Orders of the host, as they come out of the control port.
 *
 *     1            start          answered only after a hello, so that `echo 1 > agent-ctl-path.in` never fills the way back
 *     0            stop           likewise
 *     hello NONCE  who is there   answered by one JSON line (replies.ts), like the rest
 *     status       the counters
 *     metadata     what decoding needs
 *     set KEY VALUE   events, buffer_size_kb, clock, tracing_on
 *
 * `1` and `0` count at once wherever a line may begin, with or without a newline: the kernel agent's host writes single
 * bytes. Every other order is a line. Nothing in an order names a path or a program. All bytes are untrusted: a line has a
 * bound, and what goes beyond it is dropped up to the next newline.
 */
import { limits } from "../limits.ts";

export const settableKeys = ["events", "buffer_size_kb", "clock", "tracing_on"] as const;
export type SettableKey = (typeof settableKeys)[number];

export type Order =
  | { order: "start" }
  | { order: "stop" }
  | { order: "hello"; nonce: string }
  | { order: "status" }
  | { order: "metadata" }
  | { order: "set"; key: SettableKey; value: string }
  | { order: "malformed"; text: string; reason: string };

const newline = 0x0a;
const carriageReturn = 0x0d;
const zero = 0x30;
const one = 0x31;

/** Takes bytes as they come, split or joined in any way, and gives the orders that they complete. */
export class OrderDecoder {
  readonly #line = Buffer.alloc(limits.orderLineBytes);
  #length = 0;
  /** The line is longer than the bound, or not text: drop bytes until the newline that ends it. */
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
      // NULs and carriage returns between orders come from `echo -e`, terminals and C strings written with their end.
      if (byte === 0 || byte === carriageReturn) return undefined;
    }
    if (this.#length === this.#line.length) {
      this.#dropping = true;
      return { order: "malformed", text: this.#text().slice(0, 40), reason: `longer than ${limits.orderLineBytes} bytes` };
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
    case "metadata":
      return rest === "" ? { order: word } : malformed(`${word} takes no argument`);
    case "hello":
      return /^[\w.:-]{1,64}$/.test(rest) ? { order: "hello", nonce: rest } : malformed("hello takes one word of at most 64 letters and digits");
    case "set":
      return parseSet(rest, malformed);
    default:
      return malformed("no such order");
  }
}

function parseSet(rest: string, malformed: (reason: string) => Order): Order {
  const space = rest.indexOf(" ");
  const name = space < 0 ? rest : rest.slice(0, space);
  const value = space < 0 ? "" : rest.slice(space + 1).trim();
  const key = settableKeys.find((known) => known === name);
  if (key === undefined) return malformed(`set knows ${settableKeys.join(", ")}`);
  // No events is a sensible setting; the others have no empty value.
  if (value === "" && key !== "events") return malformed(`set ${key} takes a value`);
  return { order: "set", key, value };
}
