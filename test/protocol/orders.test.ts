import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { protocolLimits } from "../../src/protocol/limits.ts";
import { OrderDecoder } from "../../src/protocol/order-decoder.ts";
import { type KnownOrder, type Order, parseOrder, writeOrder } from "../../src/protocol/orders.ts";
import { cpuOfDataPort, dataPortName } from "../../src/protocol/ports.ts";
import { inLongForm } from "../support/long.ts";
import { inQuickForm } from "../support/quick.ts";

const runs = inQuickForm(500, inLongForm(2_000, 1_000_000));
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

  test.each([
    "2",
    "start",
    "hello",
    "hello two words",
    "status now",
    "metadata x",
    "set",
    "constructor",
    "hello \x1b[31m",
  ])("%p is malformed and names a reason", (line) => {
    const order = parseOrder(line);
    expect(order.order).toBe("malformed");
    expect(order.order === "malformed" ? order.reason : "").not.toBe("");
  });

  test("a line beyond the bound is dropped up to its newline, once, and the next order counts", () => {
    const decoder = new OrderDecoder();
    const long = Buffer.alloc(protocolLimits.orderLineBytes * 3, "x");
    expect(words(decoder.decode(long))).toEqual(["malformed"]);
    expect(words(decoder.decode(Buffer.from("1\nstatus\n")))).toEqual(["status"]);
  });
});

describe("set lease", () => {
  test("takes 10 to 3600 whole seconds, and nothing else", () => {
    expect(parseOrder("set lease 10")).toEqual({ order: "lease", seconds: 10 });
    expect(parseOrder("set lease 3600")).toEqual({ order: "lease", seconds: 3600 });
    for (const value of ["", "9", "3601", "-60", "1e3", "60.5", "60 60", "99999999999999999999"]) {
      expect(parseOrder(`set lease ${value}`).order).toBe("malformed");
    }
  });
});

describe("host N", () => {
  test("takes the number of a protocol, words of what the host does, and nothing else", () => {
    expect(parseOrder("host 2")).toEqual({ order: "host", protocol: 2, words: [] });
    expect(parseOrder("host 3 ack something_new")).toEqual({
      order: "host",
      protocol: 3,
      words: ["ack", "something_new"],
    });
    for (const line of ["host", "host 0", "host -1", "host 2.5", "host 2 3", "host 99999", "host two", "host 3  ack"]) {
      expect(parseOrder(line).order).toBe("malformed");
    }
  });
});

describe("ack", () => {
  test("takes a CPU and a position that a number can hold, and nothing else", () => {
    expect(parseOrder("ack 0 0")).toEqual({ order: "ack", cpu: 0, bytes: 0 });
    expect(parseOrder("ack 255 9007199254740991")).toEqual({ order: "ack", cpu: 255, bytes: Number.MAX_SAFE_INTEGER });
    for (const line of ["ack", "ack 0", "ack -1 5", "ack 0 -5", "ack 0 1e9", "ack 0 9007199254740992", "ack 0 5 5"]) {
      expect(parseOrder(line).order).toBe("malformed");
    }
  });
});

describe("set latency_ms", () => {
  test("takes 10 to 10000 whole ms, and nothing else", () => {
    expect(parseOrder("set latency_ms 10")).toEqual({ order: "latency_ms", ms: 10 });
    expect(parseOrder("set latency_ms 10000")).toEqual({ order: "latency_ms", ms: 10_000 });
    for (const value of ["", "9", "10001", "-50", "1e2", "50.5", "50 50", "99999999999999999999"]) {
      expect(parseOrder(`set latency_ms ${value}`).order).toBe("malformed");
    }
  });
});

/** One of each, as a host writes them. */
const written: { [Kind in KnownOrder["order"]]: [Extract<KnownOrder, { order: Kind }>, string][] } = {
  start: [[{ order: "start" }, "1"]],
  stop: [[{ order: "stop" }, "0"]],
  hello: [[{ order: "hello", nonce: "a1" }, "hello a1"]],
  host: [
    [{ order: "host", protocol: 3, words: ["ack", "other"] }, "host 3 ack other"],
    [{ order: "host", protocol: 2, words: [] }, "host 2"],
  ],
  ack: [[{ order: "ack", cpu: 7, bytes: 9_007_199_254_740_991 }, "ack 7 9007199254740991"]],
  status: [[{ order: "status" }, "status"]],
  clock: [[{ order: "clock", nonce: "x.1" }, "clock x.1"]],
  metadata: [
    [{ order: "metadata", sections: [] }, "metadata"],
    [{ order: "metadata", sections: ["formats:sched", "tasks"] }, "metadata formats:sched tasks"],
  ],
  lease: [[{ order: "lease", seconds: 60 }, "set lease 60"]],
  latency_ms: [[{ order: "latency_ms", ms: 50 }, "set latency_ms 50"]],
  part: [
    [{ order: "part", key: "events", part: "a:b c" }, "set events+ a:b c"],
    [{ order: "part", key: "events", part: undefined }, "set events+ ."],
  ],
  set: [
    [{ order: "set", key: "filter", value: "a:b x > 1" }, "set filter a:b x > 1"],
    [{ order: "set", key: "events", value: "" }, "set events"],
  ],
  restore: [
    [{ order: "restore", keys: [] }, "restore"],
    [{ order: "restore", keys: ["events", "trigger"] }, "restore events trigger"],
  ],
};

test("what a host writes, the guest reads as the same order, of each kind", () => {
  for (const [order, line] of Object.values(written).flat()) {
    expect(writeOrder(order)).toBe(line);
    expect(new OrderDecoder().decode(Buffer.from(`${line}\n`, "latin1"))).toEqual([order]);
    expect(parseOrder(line)).toEqual(order);
  }
});

describe("hostile input", () => {
  test("however bytes are split, the orders are the same", () => {
    const text = fc.array(
      fc.constantFrom("1", "0", "\n", "status\n", "hello x\n", "set clock mono\n", "rubbish", "\0"),
    );
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
    for (const name of [
      "trace-path-cpu",
      "trace-path-cpu01",
      "trace-path-cpu1x",
      "agent-ctl-path",
      "trace-path-cpu-1",
      "",
    ]) {
      expect(cpuOfDataPort(name)).toBeUndefined();
    }
  });
});

describe("an order line", () => {
  test("with control characters, or a key that is none, changes nothing", () => {
    for (const line of [
      "set functions vfs_read\ttraceoff",
      "set filter sched:sched_switch \x1b[2J",
      "set mod x",
      "set snapshot 1",
      "set enable_event sched",
      "set functions: x",
      "set + x",
      "set events+",
      "restore nosuch",
    ])
      expect(parseOrder(line).order).toBe("malformed");
    const keys = ["functions", "pids", "events", "no_functions", "graph_functions"] as const;
    for (const key of keys) expect(parseOrder(`set ${key}`)).toEqual({ order: "set", key, value: "" });
    expect(parseOrder("set tracer")).toMatchObject({ order: "malformed" });
    expect(parseOrder("set events+ .")).toEqual({ order: "part", key: "events", part: undefined });
    expect(parseOrder("restore events clock")).toEqual({ order: "restore", keys: ["events", "clock"] });
  });
});
