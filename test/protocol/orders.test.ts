import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { limits } from "../../src/limits.ts";
import { type Order, OrderDecoder, parseOrder } from "../../src/protocol/orders.ts";
import { cpuOfDataPort, dataPortName } from "../../src/protocol/ports.ts";

const runs = process.env["TRACE_AGENT_LONG_TESTS"] === undefined ? 2_000 : 1_000_000;
const decode = (...reads: string[]): Order[] => {
  const decoder = new OrderDecoder();
  return reads.flatMap((read) => decoder.decode(Buffer.from(read, "latin1")));
};
const words = (orders: Order[]): string[] => orders.map(({ order }) => order);

describe("the kernel agent's orders", () => {
  test("1 and 0 count with a newline, without one, and several in one read", () => {
    expect(words(decode("1\n"))).toEqual(["start"]);
    expect(words(decode("1"))).toEqual(["start"]);
    expect(words(decode("1\n0\n1"))).toEqual(["start", "stop", "start"]);
    expect(words(decode("10"))).toEqual(["start", "stop"]);
    expect(words(decode("1\r\n0\r\n"))).toEqual(["start", "stop"]);
    expect(words(decode("1\u00000\u0000"))).toEqual(["start", "stop"]);
  });

  test("a newline that comes in the next read is no order of its own", () => {
    expect(words(decode("1", "\n", "0", "\n"))).toEqual(["start", "stop"]);
  });
});

describe("worded orders", () => {
  test("an order split over reads is one order, and joined orders are several", () => {
    expect(decode("hel", "lo a", "b1\nsta", "tus\n1")).toEqual([
      { order: "hello", nonce: "ab1" },
      { order: "status" },
      { order: "start" },
    ]);
  });

  test("set takes the four keys, a value with spaces, and no value only for events", () => {
    expect(parseOrder("set events sched irq:irq_handler_entry")).toEqual({
      order: "set",
      key: "events",
      value: "sched irq:irq_handler_entry",
    });
    expect(parseOrder("set events")).toEqual({ order: "set", key: "events", value: "" });
    expect(parseOrder("set clock").order).toBe("malformed");
    expect(parseOrder("set current_tracer function")).toMatchObject({ order: "malformed" });
    expect(parseOrder("set __proto__ 1")).toMatchObject({ order: "malformed" });
  });

  test.each(["2", "start", "hello", "hello two words", "status now", "metadata x", "set", "constructor", "hello \x1b[31m"])(
    "%p is malformed and names a reason",
    (line) => {
      const order = parseOrder(line);
      expect(order.order).toBe("malformed");
      expect(order.order === "malformed" ? order.reason : "").not.toBe("");
    },
  );

  test("a line beyond the bound is dropped up to its newline, once, and the next order counts", () => {
    const decoder = new OrderDecoder();
    const long = Buffer.alloc(limits.orderLineBytes * 3, "x");
    expect(words(decoder.decode(long))).toEqual(["malformed"]);
    expect(words(decoder.decode(Buffer.from("1\nstatus\n")))).toEqual(["status"]);
  });
});

describe("hostile input", () => {
  test("however bytes are split, the orders are the same", () => {
    const text = fc.array(fc.constantFrom("1", "0", "\n", "status\n", "hello x\n", "set clock mono\n", "rubbish", "\0"));
    fc.assert(
      fc.property(text, fc.array(fc.nat(30)), (parts, cuts) => {
        const whole = parts.join("");
        const reads: string[] = [];
        let at = 0;
        for (const cut of cuts) {
          reads.push(whole.slice(at, at + cut));
          at += cut;
        }
        reads.push(whole.slice(at));
        expect(decode(...reads)).toEqual(decode(whole));
      }),
      { numRuns: runs },
    );
  });

  test("random bytes never throw, and never become a set order that was not spelt out", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const text = Buffer.from(bytes).toString("latin1");
        for (const order of new OrderDecoder().decode(bytes)) {
          if (order.order === "set") expect(text).toContain(`set ${order.key} ${order.value}`.trimEnd());
          if (order.order === "hello") expect(text).toContain(`hello ${order.nonce}`);
        }
      }),
      { numRuns: runs },
    );
  });
});

describe("port names", () => {
  test("cpuOfDataPort() undoes dataPortName(), and knows no other name", () => {
    for (const cpu of [0, 7, 255, 4095]) expect(cpuOfDataPort(dataPortName(cpu))).toBe(cpu);
    for (const name of ["trace-path-cpu", "trace-path-cpu01", "trace-path-cpu1x", "agent-ctl-path", "trace-path-cpu-1", ""]) {
      expect(cpuOfDataPort(name)).toBeUndefined();
    }
  });
});
