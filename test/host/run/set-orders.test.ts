import { describe, expect, test } from "bun:test";
import { setOrders } from "../../../src/host/run/set-orders.ts";
import { LongValues } from "../../../src/guest/control/long-values.ts";
import { protocolLimits } from "../../../src/protocol/limits.ts";
import { parseOrder, writeOrder } from "../../../src/protocol/orders.ts";

describe("setOrders()", () => {
  test("gives one order where the value fits a line", () => {
    expect(setOrders("events", ["a:b", "c:*"]).map(writeOrder)).toEqual(["set events a:b c:*"]);
    const words = ["x".repeat(protocolLimits.orderLineBytes - "set events ".length)];
    expect(setOrders("events", words).length).toBe(1);
  });

  test("gives parts that a guest puts together again, each within a line", () => {
    const words = Array.from({ length: 3000 }, (_, index) => `system:some_event_of_the_kernel_${index}`);
    const orders = setOrders("events", words).map(writeOrder);
    expect(orders.length).toBeGreaterThan(5);
    const values = new LongValues();
    for (const line of orders.slice(0, -1)) {
      expect(line.length).toBeLessThanOrEqual(protocolLimits.orderLineBytes);
      const order = parseOrder(line);
      if (order.order !== "part" || order.part === undefined) throw new Error(line);
      values.add(order.key, order.part);
    }
    expect(orders.at(-1)).toBe("set events+ .");
    expect(values.take("events")).toBe(words.join(" "));
  });
});
