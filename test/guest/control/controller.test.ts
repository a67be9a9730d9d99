/** The controller with a real supervisor and real workers on a directory that looks like tracefs: no root. */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { setLogLevel } from "../../../src/base/log.ts";
import { guestLimits } from "../../../src/guest/limits.ts";
import { Held, heldIndex } from "../../../src/guest/transfer/run-state.ts";
import { protocolLimits } from "../../../src/protocol/limits.ts";
import { eventually } from "../../support/agent-process.ts";
import { ControllerWorld, cpu } from "../../support/controller-world.ts";
import { fakeSubBufferBytes } from "../../support/fake-tracing.ts";

setLogLevel("silent");
afterAll(() => setLogLevel("info"));
let world: ControllerWorld | undefined;
afterEach(async () => {
  await world?.close();
  world = undefined;
});

const make = (): Promise<ControllerWorld> => (world = new ControllerWorld()).arm();

describe("a controller", () => {
  test("obeys start and stop of a host that said no hello, and answers nothing", async () => {
    const { controller, tracing, states } = await make();
    tracing.fill(cpu, 1);
    await world?.order("10", 0);
    await eventually(() => controller.state === "armed" && states.length === 2, "stopped");
    expect(states).toEqual(["running", "armed"]);
    expect(tracing.received(cpu)).toEqual([1]);
    const [hello, ...others] = (await world?.order("hello n\n", 1)) ?? [];
    expect(hello).toMatchObject({ reply: "hello", nonce: "n", state: "armed" });
    expect(others).toEqual([]);
  });

  test("lets an event wait as long as the session asks, and tells so, until another session's hello", async () => {
    const { latency } = await make();
    const asked = await world!.order("hello n\nset latency_ms 50\nstatus\n", 3);
    expect(asked[1]).toEqual({ reply: "set", key: "latency_ms", value: "50", previous: "500" });
    expect(asked[2]).toMatchObject({ reply: "status", latencyMs: 50 });
    expect(latency.changed).toBe(true);
    const [, after] = await world!.order("hello m\nstatus\n", 2);
    expect(after).toMatchObject({ reply: "status", latencyMs: 500 });
    expect(latency.changed).toBe(false);
  });

  test("puts the latency back when the lease of its session runs out", async () => {
    const { latency } = await make();
    await world!.order(`hello n\nset lease ${protocolLimits.leaseSecondsMin}\nset latency_ms 50\n`, 3);
    await eventually(() => !latency.changed, "the lease runs out");
    expect(latency.ms).toBe(protocolLimits.latencyMsDefault);
  }, 300_000);

  test("answers start and stop after a hello, with the positions in the streams", async () => {
    const { tracing } = await make();
    tracing.fill(cpu, 1, 2);
    const replies = await world!.order("hello n\n10", 3);
    expect(replies.map(({ reply }) => reply)).toEqual(["hello", "start", "stop"]);
    expect(replies[1]).toMatchObject({ state: "running", streams: [{ cpu, bytes: 0 }] });
    expect(replies[2]).toMatchObject({ state: "armed", streams: [{ cpu, bytes: 8192, lostBytes: 0 }] });
    expect(tracing.received(cpu)).toEqual([1, 2]);
  });

  test("goes on, and answers no stop, where a start comes before the stop is done", async () => {
    const { tracing, supervisor } = await make();
    await world!.order("hello n\n1", 2);
    // More than the port takes, so that the stop cannot end.
    const eight = Array.from({ length: 8 }, () => 1);
    const [portBytes, eightBytes] = [2 ** 20, 8 * fakeSubBufferBytes];
    for (let bytes = eightBytes; bytes <= portBytes + 2 * eightBytes; bytes += eightBytes) {
      tracing.fill(cpu, ...eight);
      await eventually(() => (supervisor.slots[0]?.bytes ?? 0) >= Math.min(bytes, portBytes), "the port takes them");
    }
    await world!.order("0\n", 0);
    const replies = await world!.order("1\n", 1);
    let received = tracing.received(cpu).length;
    await eventually(() => (received += tracing.received(cpu).length) === 256 + 16, "it moves data");
    // Ten times as long as it takes until the stop hears of the start.
    await Bun.sleep(20);
    replies.push(...(await world!.order("status\n", 1)));
    expect(replies.map(({ reply, state }) => [reply, state])).toEqual([
      ["start", "running"],
      ["status", "running"],
    ]);
  });

  test("sets what is asked for, tells what was there, and puts it back when another host says hello", async () => {
    const { tracing } = await make();
    const set = "hello a\nset events irq:irq_handler_entry\nset clock mono\n";
    expect((await world!.order(set, 3)).slice(1)).toMatchObject([
      { reply: "set", key: "events", previous: "" },
      { reply: "set", key: "clock", value: "mono", previous: "local" },
    ]);
    expect(tracing.read("set_event")).toBe("irq:irq_handler_entry");
    await world!.order("hello b\n", 1);
    const left = (): string => `${tracing.read("set_event")} ${tracing.read("trace_clock")}`;
    await eventually(() => /^ .*local/.test(left()), "events and clock are put back", left);
  });

  test("restores key by key, so that the next host is heard meanwhile and told of progress", async () => {
    await make();
    const { settings, run } = world!;
    await world!.order("hello a\nset events irq:irq_handler_entry\nset clock mono\n", 3);
    const held: [string | undefined, number][] = [];
    const restore = settings.restore.bind(settings);
    settings.restore = (keys) => {
      held.push([keys?.join(" "), Atomics.load(run.words, heldIndex)]);
      return restore(keys);
    };
    await world!.order("hello b\nhost 2\nset latency_ms 50\n", 3);
    expect(held).toEqual([
      ["events", Held.free],
      ["clock", Held.restore],
    ]);
  });

  test("takes a long value in parts, all of it or nothing, and restores it by an order", async () => {
    const { tracing } = await make();
    const parts = "hello a\nset events+ sched:sched_switch\nset events+ irq:irq_handler_entry\n";
    expect((await world!.order(parts, 3)).slice(1)).toMatchObject([
      { reply: "set", key: "events+" },
      { reply: "set", key: "events+" },
    ]);
    expect(tracing.read("set_event")).toBe("");
    expect(await world!.order("set events+ .\n", 1)).toMatchObject([{ reply: "set", key: "events", previous: "" }]);
    expect(tracing.read("set_event")).toBe("sched:sched_switch irq:irq_handler_entry");
    const wrong = await world!.order("set events+ irq:irq_handler_entry\nset events+ nosuch:x\nset events+ .\n", 3);
    expect(wrong.at(-1)).toMatchObject({ reply: "error", order: "set", error: expect.stringContaining("nosuch:x") });
    expect(tracing.read("set_event")).toBe("sched:sched_switch irq:irq_handler_entry");
    expect(await world!.order("restore clock\nrestore\n", 2)).toEqual([
      { reply: "restore", failures: [] },
      { reply: "restore", failures: [] },
    ]);
    expect(tracing.read("set_event")).toBe("");
    // Another host's parts are forgotten with its session.
    await world!.order("set events+ sched:sched_switch\n", 1);
    expect((await world!.order("hello b\nset events+ .\n", 2)).at(-1)).toMatchObject({ reply: "error", order: "set" });
  });

  test("refuses what this guest has not, and changes nothing", async () => {
    const { tracing } = await make();
    const replies = await world!.order("hello a\nset events nosuch:event\nset clock sundial\n", 3);
    expect(replies.slice(1)).toMatchObject([
      { reply: "error", order: "set", error: expect.stringContaining("nosuch:event") },
      { reply: "error", order: "set", error: expect.stringContaining("sundial") },
    ]);
    expect([tracing.read("set_event"), tracing.read("trace_clock")]).toEqual(["", "[local] global mono"]);
  });

  test("speaks with a host of a newer protocol what it knows itself", async () => {
    await make();
    const replies = await world!.order("hello n\nhost 99\nteleport now\nstatus\n", 4);
    expect(replies).toMatchObject([
      { reply: "hello", protocol: 1, words: expect.arrayContaining(["host"]) },
      { reply: "host", protocol: 3 },
      { reply: "error", order: "teleport now", error: "no such order" },
      { reply: "status", state: "armed", cpus: [{ cpu, state: "armed", port: "open" }] },
    ]);
  });

  test("answers a few orders that are none, and counts the rest", async () => {
    await make();
    const replies = await world!.order(`hello n\n${"nonsense\n".repeat(1000)}status\n`, 2);
    const errors = replies.filter(({ reply }) => reply === "error");
    expect(errors.length).toBe(guestLimits.malformedOrdersLogged);
    expect(replies.at(-1)).toMatchObject({ reply: "status" });
  });

  test("says what is wrong when the tracing directory is gone, and goes on", async () => {
    const { tracing } = await make();
    await world!.order("hello n\n", 1);
    tracing.remove("per_cpu");
    expect(await world!.order("1", 1)).toMatchObject([
      { reply: "error", order: "start", error: expect.stringContaining("it was removed") },
    ]);
    expect(await world!.order("status\n", 1)).toMatchObject([{ reply: "status", state: "armed" }]);
  });
});
