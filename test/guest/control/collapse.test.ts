import { describe, expect, test } from "bun:test";
import { collapse } from "../../../src/guest/control/collapse.ts";
import { guestLimits } from "../../../src/guest/limits.ts";
import { OrderDecoder } from "../../../src/protocol/order-decoder.ts";
import type { Order } from "../../../src/protocol/orders.ts";

const words = (orders: Order[]): string =>
  orders.map((order) => (order.order === "set" ? `set ${order.value}` : order.order)).join(" ");
const collapsed = (text: string): string => words(collapse(new OrderDecoder().decode(Buffer.from(text))));

describe("collapse()", () => {
  test("leaves alone what a host sends", () => {
    const session =
      "hello a\nhost 2\n0\nset lease 60\nset buffer_size_kb 64\nset clock mono\nmetadata\nset tracing_on 1\nset events x\n" +
      "status\n1\nstatus\n0\nmetadata\n";
    expect(collapsed(session)).toBe(words(new OrderDecoder().decode(Buffer.from(session))));
    expect(collapsed("status\n1\nstatus\n0\nstatus\n")).toBe("status start status stop status");
    expect(collapsed("set events a\nset events b\n")).toBe("set a set b");
  });

  test("answers a question once that comes again before anything changes", () => {
    expect(collapsed("status\nstatus\nmetadata\nstatus\n")).toBe("metadata status");
    expect(collapsed("hello a\nhello b\n")).toBe("hello");
    expect(
      words(
        collapse([
          { order: "hello", nonce: "a" },
          { order: "hello", nonce: "b" },
        ]),
      ),
    ).toBe("hello");
    expect(
      collapse([
        { order: "hello", nonce: "a" },
        { order: "hello", nonce: "b" },
      ]),
    ).toEqual([{ order: "hello", nonce: "b" }]);
    expect(collapsed("status\nset events x\nstatus\n")).toBe("status set x status");
  });

  test("carries out the last start and stop of many in a row", () => {
    expect(collapsed("101010")).toBe("start stop");
    expect(collapsed("10101")).toBe("stop start");
    expect(collapsed("1111")).toBe("start");
  });

  test("leaves little of a flood, whatever it is made of, and the last order counts", () => {
    const many = guestLimits.ordersAtOnce;
    for (const flood of [
      "10",
      "status\n",
      "metadata\n",
      "metadata\nstatus\n",
      "1\nstatus\n0\nstatus\n",
      "set events a\nset events b\n",
      "set clock a\n1\nstatus\n0\nhost 2\nset lease 10\n",
      "hello a\nhello b\n",
    ]) {
      const orders = collapsed(`${flood.repeat(many)}hello last\n`).split(" ");
      expect(orders.length).toBeLessThanOrEqual(12);
      expect(orders.at(-1)).toBe("hello");
    }
    expect(
      collapsed("status\nx\n".repeat(many))
        .split(" ")
        .filter((word) => word === "status"),
    ).toEqual(["status"]);
  });
});
