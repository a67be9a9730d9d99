/** What a recorder orders of an agent that behaves as the test tells it, and in which order. */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { FakeGuests } from "../../support/fake-guest.ts";
import { traceAgent } from "../../support/recorder-process.ts";
import { subBufferBytes } from "../../support/sub-buffers.ts";

const base = mkdtempSync(`${tmpdir()}/ta-recorder-orders-`);
const guests = new FakeGuests(base);
afterEach(() => guests.end());
afterAll(() => rmSync(base, { recursive: true }));

describe("record", () => {
  test("stops a tracer before it takes what the ring buffer still holds, and restores then", async () => {
    const ordersTo = `${base}/tracer`;
    const answers = { restore: '{"reply":"restore","failures":[]}\n' };
    const script = { subBuffers: 1, words: ["host", "lease", "restore", "tracer"], ordersTo, answers };
    const { directory, output } = await guests.start("fifo", script);
    const { code, stderr } = await traceAgent("record", directory, "-p", "function", "-d", "0.2", "-o", output);
    expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
    const orders = readFileSync(ordersTo, "utf8").split("\n");
    const after = orders
      .slice(orders.indexOf("set tracer function"))
      .filter((order) => /^(?:[01]$|set |res)/.test(order));
    expect(after).toEqual(["set tracer function", "1", "set tracing_on 0", "restore events trigger", "0", "restore"]);
  }, 300_000);

  test("puts back each setting of an older agent, the last one first, and events before the stop", async () => {
    const ordersTo = `${base}/older`;
    const { directory, output } = await guests.start("fifo", { subBuffers: 1, ordersTo });
    const set = ["-b", "4096", "-C", "mono", "-e", "sched"];
    const { code, stderr } = await traceAgent("record", directory, ...set, "-d", "0.2", "-o", output);
    expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
    const orders = readFileSync(ordersTo, "utf8").split("\n");
    const after = orders.slice(orders.indexOf("1")).filter((order) => /^(?:[01]$|set )/.test(order));
    expect(after).toEqual(["1", "set events irq:*", "0", "set clock 1", "set buffer_size_kb 1"]);
  }, 300_000);

  test("acknowledges what it took by the agent's own count, whatever an earlier session left in the ports", async () => {
    const ordersTo = `${base}/acks`;
    const script = { subBuffers: 100, stale: 3, words: ["host", "ack"], ordersTo };
    const { directory, output } = await guests.start("fifo", script);
    const { code } = await traceAgent("record", directory, "-d", "0.2", "-o", output);
    expect(code).toBe(0);
    const told = readFileSync(ordersTo, "utf8").matchAll(/^ack (\d+) (\d+)$/gm);
    const last = Object.fromEntries([...told].map(([, cpu = "", bytes]) => [cpu, Number(bytes)]));
    // The agent had sent 40,960 bytes before.
    expect(last).toEqual({ 0: 40_960 + 100 * subBufferBytes, 1: 40_960 + 100 * subBufferBytes });
  });
});
