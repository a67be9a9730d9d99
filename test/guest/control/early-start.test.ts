/** Starts that the control worker orders before main hears of them: by themselves, and with main in every state that could meet one. */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { makeEventFd } from "../../../ffi/eventfd.ts";
import { closeFd, readInto } from "../../../ffi/fd.ts";
import { setLogLevel } from "../../../src/base/log.ts";
import { EarlyStart, StartPermit } from "../../../src/guest/control/early-start.ts";
import { Counter, counterIndex, Order, RunState, Word, WorkerState } from "../../../src/guest/transfer/run-state.ts";
import { protocolLimits } from "../../../src/protocol/limits.ts";
import { eventually } from "../../support/agent-process.ts";
import { ControllerWorld, cpu } from "../../support/controller-world.ts";

setLogLevel("silent");
afterAll(() => setLogLevel("info"));

describe("an early start", () => {
  let wakeFds: number[] = [];
  afterEach(() => {
    for (const fd of wakeFds.splice(0)) closeFd(fd);
  });

  function make(): {
    run: RunState;
    early: EarlyStart;
    permit: StartPermit;
    orders: () => number[];
    woken: () => boolean[];
  } {
    const run = new RunState(2);
    wakeFds = [makeEventFd(), makeEventFd()];
    for (const [worker, fd] of wakeFds.entries()) {
      run.setWord(worker, Word.wakeFd, fd);
      run.setWord(worker, Word.state, WorkerState.armed);
      run.counters[counterIndex(worker, Counter.bytes)] = 4096 * (worker + 1);
    }
    return {
      run,
      early: new EarlyStart(run, "/proc/self", 2),
      permit: new StartPermit(run),
      orders: () => [0, 1].map((worker) => run.word(worker, Word.order)),
      woken: () => wakeFds.map((fd) => readInto(fd, new Uint8Array(new ArrayBuffer(8))) === 8),
    };
  }
  const start = Buffer.from("1\n");

  test("is ordered only where main permits it, once, and by bytes that begin with a start", () => {
    const { early, permit, orders, woken } = make();
    early.consider(start);
    permit.give();
    early.consider(Buffer.from("0\n"));
    early.consider(Buffer.from("ack 0 1\n"));
    expect([permit.takeBack(), orders(), woken()]).toEqual([false, [Order.armed, Order.armed], [false, false]]);
    early.consider(start);
    expect(orders()).toEqual([Order.armed, Order.armed]);
    permit.give();
    early.consider(start);
    // What main permits now is what comes after this one.
    permit.give();
    expect([orders(), woken()]).toEqual([
      [Order.running, Order.running],
      [true, true],
    ]);
    expect([permit.takeBack(), permit.takeBack()]).toEqual([true, false]);
  });

  test("tells where each stream stood, and passes over a worker that has failed", () => {
    const { run, early, permit, orders } = make();
    run.setWord(0, Word.state, WorkerState.failed);
    permit.give();
    early.consider(start);
    expect(orders()).toEqual([Order.armed, Order.running]);
    run.counters[counterIndex(1, Counter.bytes)] = 1e6;
    expect([0, 1].map((worker) => run.counter(worker, Counter.bytesAtStart))).toEqual([4096, 8192]);
  });

  test("is left to main, which refuses it, where the tracing directory is gone", () => {
    const { run, permit, orders } = make();
    permit.give();
    new EarlyStart(run, "/nowhere", 2).consider(start);
    expect([permit.takeBack(), orders()]).toEqual([false, [Order.armed, Order.armed]]);
  });
});

describe("a controller whose control worker starts", () => {
  let world: ControllerWorld | undefined;
  afterEach(async () => {
    await world?.close();
    world = undefined;
  });

  /** Armed, after these orders. */
  async function make(orders = "hello n\n", replies = 1): Promise<ControllerWorld> {
    world = await new ControllerWorld().arm();
    world.controller.permitEarlyStart(true);
    await world.order(orders, replies);
    return world;
  }

  /** A start of which main has not heard, while data have begun to flow. */
  async function startUnheard(made: ControllerWorld): Promise<void> {
    const bytes = (): number => made.run.counter(0, Counter.bytes);
    const before = bytes();
    made.tracing.fill(cpu, 1, 2);
    made.readEarly("1");
    await eventually(() => bytes() > before, "data flow before main has heard of the start");
  }

  test("tells where the stream stood before, though data have flowed, and obeys the stop behind it", async () => {
    const made = await make();
    await startUnheard(made);
    const [started, stopped] = await made.order("10", 2);
    expect(started).toMatchObject({
      reply: "start",
      state: "running",
      streams: [{ cpu, bytes: 0, time: "7000000000" }],
    });
    expect(stopped).toMatchObject({ reply: "stop", streams: [{ cpu, bytes: 8192, lostBytes: 0 }] });
    expect([made.tracing.received(cpu), made.states]).toEqual([
      [1, 2],
      ["running", "armed"],
    ]);
    // And the next one, right behind the stop.
    await startUnheard(made);
    expect(await made.order("1", 1)).toMatchObject([{ reply: "start", streams: [{ cpu, bytes: 8192 }] }]);
  });

  test("has started once, where the order came twice", async () => {
    const made = await make();
    await startUnheard(made);
    made.readEarly("1");
    const replies = await made.order("11", 2);
    expect(replies).toMatchObject([1, 2].map(() => ({ reply: "start", streams: [{ cpu, bytes: 0 }] })));
    expect(made.states).toEqual(["running"]);
  });

  test("looks for no CPUs and ports where it takes a start over: all were served, and the data have the machine", async () => {
    const made = await make();
    await startUnheard(made);
    const { searches } = made;
    await made.order("1", 1);
    expect(made.searches).toBe(searches);
    // An order to start what runs already is another chance for CPUs that are not served.
    await made.order("1", 1);
    expect(made.searches).toBe(searches + 1);
  });

  test("takes a start over when it hears of nothing but a worker's change", async () => {
    const made = await make();
    await startUnheard(made);
    await eventually(() => made.controller.state === "running", "main has taken the start over");
    expect(await made.order("0", 1)).toMatchObject([{ reply: "stop", streams: [{ cpu, bytes: 8192 }] }]);
  });

  test("hands over what was read when the agent ends before it has heard of the start", async () => {
    const made = await make();
    await startUnheard(made);
    made.controller.permitEarlyStart(false);
    expect(made.controller.state).toBe("running");
    await made.controller.stop(30_000);
    expect(made.tracing.received(cpu)).toEqual([1, 2]);
    made.readEarly("1");
    expect(made.run.word(0, Word.order)).toBe(Order.armed);
  });

  test("may start by itself while all rests, not while it runs, nor while a CPU is offline", async () => {
    const made = await make();
    const { supervisor, controller } = made;
    expect(made.permitsEarlyStart).toBe(true);
    await made.order("1", 1);
    expect(made.permitsEarlyStart).toBe(false);
    await made.order("0", 1);
    await eventually(() => made.permitsEarlyStart, "it may again when the stop is done");
    const [slot] = supervisor.slots;
    Object.defineProperty(supervisor, "slots", { value: [{ ...slot, state: "parked" }], configurable: true });
    controller.permitEarlyStart();
    expect(made.permitsEarlyStart).toBe(false);
  });

  test("ends the run of a session whose lease runs out between the start and its order, then runs for the next", async () => {
    const made = await make(`hello n\nset lease ${protocolLimits.leaseSecondsMin}\nset clock mono\n`, 3);
    await startUnheard(made);
    // As the lease's timer, which comes first.
    const replies = await made.order("hello m\n1", 2);
    expect(replies).toMatchObject([
      { reply: "hello", nonce: "m" },
      { reply: "start", streams: [{ cpu, bytes: 8192 }] },
    ]);
    expect(made.states).toEqual(["running", "armed", "running"]);
    expect(made.tracing.read("trace_clock")).toBe("local");
  });
});
