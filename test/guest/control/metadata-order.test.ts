import { describe, expect, test } from "bun:test";
import { AgentError } from "../../../src/base/errors.ts";
import { MetadataOrder } from "../../../src/guest/control/metadata-order.ts";
import { guestLimits } from "../../../src/guest/limits.ts";

/** An order whose steps the test takes: what was collected, sent and told so far. */
class Bench {
  answered: string[] = [];
  failures: unknown[] = [];
  signal: AbortSignal | undefined;
  taken = Promise.withResolvers<void>();
  readonly order = new MetadataOrder({
    answer: (sections, signal) => {
      this.answered.push(sections.join("+") || "all");
      this.signal = signal;
      return this.taken.promise;
    },
    failed: (error) => this.failures.push(error),
  });

  async step(): Promise<void> {
    await Bun.sleep(1);
  }
}

describe("metadata orders", () => {
  test("of a flood are answered once, also while the port takes the body", async () => {
    const bench = new Bench();
    for (let n = 0; n < 1000; n++) bench.order.order([]);
    await bench.step();
    expect(bench.answered).toEqual(["all"]);
    bench.taken.resolve();
    await bench.step();
    expect(bench.answered).toEqual(["all"]);
    bench.order.order([]);
    await bench.step();
    expect(bench.answered).toEqual(["all", "all"]);
  });

  test("are answered again, once, when something was changed after the first had begun", async () => {
    const bench = new Bench();
    bench.order.order([]);
    bench.order.outdate();
    for (let n = 0; n < 10; n++) bench.order.order([]);
    bench.taken.resolve();
    await bench.step();
    await bench.step();
    expect(bench.answered).toEqual(["all", "all"]);
  });

  test("for other sections wait for their turn, each once, and not without end", async () => {
    const bench = new Bench();
    for (let n = 0; n < 3; n++) {
      bench.order.order(["kallsyms", "printk"]);
      bench.order.order(["tasks"]);
      bench.order.order([]);
    }
    expect(bench.answered).toEqual(["kallsyms+printk"]);
    bench.taken.resolve();
    await bench.step();
    expect(bench.answered).toEqual(["kallsyms+printk", "tasks", "all"]);
    bench.taken = Promise.withResolvers();
    for (let n = 0; n < 100; n++) bench.order.order([`formats:s${n}`]);
    expect(bench.failures).toHaveLength(100 - 1 - guestLimits.metadataWaiting);
    expect(bench.failures[0]).toBeInstanceOf(AgentError);
  });

  test("of a host that is gone are not answered, those of the next are", async () => {
    const bench = new Bench();
    bench.order.order([]);
    bench.order.order(["stats"]);
    bench.order.cancel();
    expect(bench.signal?.aborted).toBe(true);
    bench.order.order([]);
    bench.taken.resolve();
    await bench.step();
    await bench.step();
    expect(bench.answered).toEqual(["all", "all"]);
  });

  test("that fail are told, and the next one is carried out", async () => {
    const bench = new Bench();
    bench.order.order([]);
    bench.taken.reject(new Error("no memory"));
    await bench.step();
    expect(bench.failures).toEqual([new Error("no memory")]);
    bench.order.order([]);
    expect(bench.answered).toEqual(["all", "all"]);
    await bench.step();
  });
});
