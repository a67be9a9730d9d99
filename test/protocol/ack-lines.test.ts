import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { takeAckLines } from "../../src/protocol/ack-lines.ts";
import { OrderDecoder } from "../../src/protocol/order-decoder.ts";
import type { Order } from "../../src/protocol/orders.ts";
import { inQuickForm } from "../support/quick.ts";

/** The orders of `text` with the quick way for acknowledgements in front, and where that ended. */
function both(text: string): { end: number; orders: Order[] } {
  const bytes = Buffer.from(text, "latin1");
  const orders: Order[] = [];
  const end = takeAckLines(bytes, bytes.length, (cpu, position) => orders.push({ order: "ack", cpu, bytes: position }));
  orders.push(...new OrderDecoder().decode(bytes.subarray(end)));
  return { end, orders };
}

const ackLines = fc
  .tuple(fc.nat(99_999), fc.nat(Number.MAX_SAFE_INTEGER))
  .map(([cpu, position]) => `ack ${cpu} ${position}\n`);
const others = fc.constantFrom(
  "ack\n",
  "ack 0\n",
  "ack  0 1\n",
  "ack 0 1 \n",
  "ack 0 1\r\n",
  "ack 0 1 2\n",
  "ack -1 5\n",
  "ack 0 1e3\n",
  "ack 000001 5\n",
  "ack 00000000000000001 5\n",
  "ack 0 0000000000000001\n",
  "ack 0 9999999999999999\n",
  "Ack 0 1\n",
  "ackn 0 1\n",
  "1",
  "0",
  "1\n",
  "status\n",
  "\n",
  "\0",
  "set clock mono\n",
);

describe("lines of acknowledgements", () => {
  test("are the same orders as by the parser of all orders, among others, cut anywhere", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(ackLines, others), { maxLength: 9 }), fc.nat(12), (lines, cut) => {
        const whole = lines.join("");
        const text = whole.slice(0, Math.max(0, whole.length - cut));
        expect(both(text).orders).toEqual(new OrderDecoder().decode(Buffer.from(text, "latin1")));
      }),
      { numRuns: inQuickForm(500, 2000) },
    );
  });

  test("are taken up to the first that is none, or that is cut", () => {
    expect(both("ack 0 4096\nack 17 1048576\n").end).toBe(26);
    expect(both("ack 0 4096\nstatus\nack 1 1\n").end).toBe(11);
    expect(both("ack 0 4096\nack 1 10").end).toBe(11);
    expect(both(" ack 0 4096\n").end).toBe(0);
  });

  test("end where what was read ends, whatever is behind it in memory", () => {
    const bytes = Buffer.from("ack 0 4096\nack 1 8192\n");
    for (let length = 0; length <= bytes.length; length++) {
      const taken: number[] = [];
      const end = takeAckLines(bytes, length, (_, position) => taken.push(position));
      expect([end, taken]).toEqual(length < 11 ? [0, []] : length < 22 ? [11, [4096]] : [22, [4096, 8192]]);
    }
  });
});
