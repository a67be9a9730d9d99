import { afterEach, expect, spyOn, test } from "bun:test";
import { E } from "../../../ffi/errno.ts";
import { Counter, Order } from "../../../src/guest/transfer/run-state.ts";
import { moveStream, Outcome } from "../../../src/guest/transfer/splice-loop.ts";
import { LoopWorld, type WorldOptions } from "../../support/loop-world.ts";

let world: LoopWorld;
afterEach(() => world.close());

function make(options: WorldOptions = {}): LoopWorld {
  return (world = new LoopWorld(options));
}

/** Runs until it waits for data, then to a stop. */
function run(): void {
  world.order(Order.running);
  spyOn(world.stream.dataPoll, "wait").mockImplementation(() => {
    world.order(Order.armed);
    return 1;
  });
  expect(moveStream(world.stream)).toBe(Outcome.stopped);
}

for (const call of ["read", "fill"] as const) {
  test(`the partial sub-buffer goes by itself where ${call} had no memory at first`, () => {
    make({ subBuffers: 3 });
    world.putPartial(4);
    world.next(call, E.ENOMEM);
    run();
    expect(world.received()).toEqual([1, 2, 3, 4]);
    expect(world.lostBytes).toBe(0);
  });
}

test("a port that took a part is waited for, and not tried before", () => {
  make({ subBuffers: 3 });
  world.next("send", () => world.sendOnly(6000));
  const wait = spyOn(world.stream.portPoll, "wait").mockImplementation(() => {
    expect(world.calls.send).toBe(1);
    return 1;
  });
  run();
  expect(wait).toHaveBeenCalledTimes(1);
  expect(world.received()).toEqual([1, 2, 3]);
  expect(world.run.counter(0, Counter.backpressure)).toBe(1);
});

test("another order is seen between two pieces", () => {
  make({ subBuffers: 40 });
  world.next("send", () => {
    world.order(Order.exit);
    return undefined;
  });
  world.order(Order.running);
  expect(moveStream(world.stream)).toBe(Outcome.exit);
  expect(world.received().length).toBe(16);
});
