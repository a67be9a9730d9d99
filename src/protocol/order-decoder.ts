/**
 * Orders out of the bytes of the control port.
 *
 * `1` and `0` count at once wherever a line may begin, with or without a newline: the kernel agent's host writes single
 * bytes. Every other order is a line. All bytes are untrusted: a line has a bound, and what goes beyond it is dropped up to the next
 * newline.
 */
import { protocolLimits } from "./limits.ts";
import { type Order, parseOrder } from "./orders.ts";

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

  /** Whether the next byte begins an order. */
  get betweenOrders(): boolean {
    return this.#length === 0 && !this.#dropping;
  }

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
