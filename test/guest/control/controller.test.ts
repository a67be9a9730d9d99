/** The controller with a real supervisor and real workers on a directory that looks like tracefs: no root. */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { clearEventFd, makeEventFd } from "../../../ffi/eventfd.ts";
import { closeFd, O, readInto } from "../../../ffi/fd.ts";
import { makePipe } from "../../../ffi/pipe.ts";
import { setLogLevel } from "../../../src/base/log.ts";
import { Controller } from "../../../src/guest/control/controller.ts";
import { Latency } from "../../../src/guest/control/latency.ts";
import { PortLock, PortUser } from "../../../src/guest/control/port-lock.ts";
import { ReplyWriter } from "../../../src/guest/control/reply-writer.ts";
import { Settings } from "../../../src/guest/control/settings.ts";
import { Waiters } from "../../../src/guest/control/waiters.ts";
import { guestLimits } from "../../../src/guest/limits.ts";
import { Supervisor } from "../../../src/guest/supervisor.ts";
import { Held, heldIndex, RunState, WorkerState } from "../../../src/guest/transfer/run-state.ts";
import { protocolLimits } from "../../../src/protocol/limits.ts";
import { OrderDecoder } from "../../../src/protocol/order-decoder.ts";
import { onlineCpus } from "../../../src/tracefs/cpus.ts";
import { eventually } from "../../support/agent-process.ts";
import { FakeTracing } from "../../support/fake-tracing.ts";

setLogLevel("silent");
afterAll(() => setLogLevel("info"));
const [cpu = 0] = onlineCpus() ?? [];

type Reply = Record<string, unknown>;
let world: World | undefined;
afterEach(async () => {
  await world?.close();
  world = undefined;
});

/** An agent without its ports: orders go in as bytes, replies come out of a pipe. */
class World {
  readonly tracing = new FakeTracing([cpu]);
  readonly states: string[] = [];
  readonly settings = new Settings(this.tracing.path, { add: () => {}, clear: () => {} });
  readonly run = new RunState(1);
  readonly latency = new Latency(this.run, () => {});
  readonly controller: Controller;
  readonly #supervisor: Supervisor;
  readonly #doneFd = makeEventFd();
  readonly #replies = makePipe(O.NONBLOCK);
  readonly #decoder = new OrderDecoder();
  readonly #timer: NodeJS.Timeout;
  #text = "";

  constructor() {
    const { run } = this;
    const changes = new Waiters();
    const { path: tracingDirectory } = this.tracing;
    const replies = new ReplyWriter(new PortLock(run.words, PortUser.main));
    replies.attach(this.#replies.write);
    this.#supervisor = new Supervisor({
      run,
      tracingDirectory,
      cpus: [cpu],
      pipeSizeBytes: 65_536,
      doneFd: this.#doneFd,
      findOutputs: () => {},
      openOutput: () => this.tracing.output(cpu),
      onChange: () => changes.changed(),
      onOutputClosed: () => {},
    });
    const onState = (state: string): unknown => this.states.push(state);
    const { settings } = this;
    this.controller = new Controller({
      run,
      supervisor: this.#supervisor,
      settings,
      latency: this.latency,
      tracingDirectory,
      replies,
      changes,
      onState,
    });
    // In the agent the control worker hears of it, and tells main.
    this.#timer = setInterval(() => {
      clearEventFd(this.#doneFd);
      this.#supervisor.settle();
      changes.changed();
    }, 2);
  }

  async arm(): Promise<this> {
    this.#supervisor.rescan();
    await eventually(() => this.#supervisor.all(WorkerState.armed), "armed");
    return this;
  }

  /** Carries orders out and gives the replies that have come until there are as many as asked for. */
  async order(text: string, replies: number): Promise<Reply[]> {
    await this.controller.carryOut(this.#decoder.decode(Buffer.from(text, "latin1")));
    const found: Reply[] = [];
    await eventually(
      () => {
        found.push(...this.#take());
        return found.length >= replies;
      },
      `${replies} replies to ${JSON.stringify(text)}`,
      () => JSON.stringify(found),
    );
    return found;
  }

  #take(): Reply[] {
    const bytes = new Uint8Array(new ArrayBuffer(1 << 16));
    const count = readInto(this.#replies.read, bytes);
    if (count > 0) this.#text += Buffer.from(bytes.subarray(0, count)).toString("latin1");
    const lines = this.#text.split("\n");
    this.#text = lines.pop() ?? "";
    return lines.map((line) => JSON.parse(line) as Reply);
  }

  async close(): Promise<void> {
    this.#supervisor.close();
    await eventually(() => this.#supervisor.serving === 0, "all workers end");
    clearInterval(this.#timer);
    this.#supervisor.release();
    for (const fd of [this.#doneFd, this.#replies.read, this.#replies.write]) closeFd(fd);
    this.tracing.close();
  }
}

const make = (): Promise<World> => (world = new World()).arm();

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
