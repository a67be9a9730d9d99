/** A session is over and its ports take nothing: trace_pipe_raw must be closed, since it keeps the tracer. */
import { afterEach, describe, expect, test } from "bun:test";
import { E } from "../../../ffi/errno.ts";
import { O, openFd } from "../../../ffi/fd.ts";
import { Order, Word, WorkerState } from "../../../src/guest/transfer/run-state.ts";
import { moveStream, Outcome } from "../../../src/guest/transfer/splice-loop.ts";
import { LoopWorld } from "../../support/loop-world.ts";

let world: LoopWorld;
afterEach(() => world.close());

describe("an order to read no more", () => {
  test("closes trace_pipe_raw while the port is full, and hands over what was read before", () => {
    world = new LoopWorld({ subBuffers: 40 });
    const { stream } = world;
    world.order(Order.running);
    world.next("send", () => {
      world.order(Order.noMoreReads);
      return -E.EAGAIN;
    });
    const states: number[] = [];
    world.next("send", () => void states.push(stream.rawFd, world.run.word(0, Word.state)));
    expect(moveStream(stream)).toBe(Outcome.stopped);
    expect(states).toEqual([-1, WorkerState.emptyingPipe]);
    expect(world.received()).toEqual(Array.from({ length: 16 }, (_, index) => index + 1));
  });

  test("is superseded by a start, for which the file is opened again: the rest of the pipe goes first", () => {
    world = new LoopWorld({ subBuffers: 2 });
    const { stream } = world;
    const rawFd = openFd("/dev/null", O.RDONLY);
    world.order(Order.running);
    world.next(
      "send",
      () => (world.order(Order.noMoreReads), -E.EAGAIN),
      () => (world.order(Order.running), -E.EAGAIN),
    );
    expect(moveStream(stream)).toBe(Outcome.stopped);
    expect({ queued: stream.queued, received: world.received() }).toEqual({ queued: 2 * 4096, received: [] });
    stream.rawFd = rawFd;
    world.order(Order.armed);
    expect(moveStream(stream)).toBe(Outcome.stopped);
    expect(world.received()).toEqual([1, 2]);
    stream.closeRingBuffer();
  });
});
