import { afterEach, describe, expect, spyOn, test } from "bun:test";
import { E } from "../../../ffi/errno.ts";
import { closeFd, O, openFd } from "../../../ffi/fd.ts";
import { POLL } from "../../../ffi/poll.ts";
import { LoopWorld, type WorldOptions } from "../../support/loop-world.ts";
import { moveStream, Outcome } from "../../../src/guest/transfer/splice-loop.ts";
import { Order, Word } from "../../../src/guest/transfer/run-state.ts";
import { dataSlot } from "../../../src/guest/transfer/stream.ts";
import { virtio } from "../../../src/transport/virtio.ts";

let world: LoopWorld;
afterEach(() => world.close());

function make(options: WorldOptions = {}): LoopWorld {
  return (world = new LoopWorld(options));
}

describe("a stop order", () => {
  for (const [name, errno] of [
    ["ENOMEM", E.ENOMEM],
    ["EBUSY", E.EBUSY],
    ["EINTR", E.EINTR],
  ] as const) {
    test(`hands over every whole sub-buffer and the partial one when splice says ${name} three times`, () => {
      const { stream, next } = bound(make({ subBuffers: 40 }));
      world.putPartial(41);
      next("take", errno, errno, errno);
      expect(moveStream(stream)).toBe(Outcome.stopped);
      expect(world.received()).toEqual(Array.from({ length: 41 }, (_, index) => index + 1));
      expect(world.lostBytes).toBe(0);
    });

    test(`hands over the partial sub-buffer when read says ${name}`, () => {
      const { stream, next } = bound(make());
      world.putPartial(7);
      next("read", errno, errno);
      expect(moveStream(stream)).toBe(Outcome.stopped);
      expect(world.received()).toEqual([7]);
    });
  }

  test("fails with ENOMEM, and is not called done, when there is no memory for longer than the limit", () => {
    const { stream, next } = bound(make({ subBuffers: 3 }));
    next("take", ...Array.from({ length: 100 }, () => E.ENOMEM));
    let now = 1000;
    const clock = spyOn(performance, "now").mockImplementation(() => (now += 1000));
    try {
      expect(moveStream(stream)).toBe(Outcome.ringBufferFailed);
    } finally {
      clock.mockRestore();
    }
    expect(stream.failure).toBe(E.ENOMEM);
    expect(world.calls.take).toBeLessThan(20);
    expect(world.received()).toEqual([]);
  });

  test("fails when read of the partial sub-buffer fails", () => {
    const { stream, next } = bound(make({ subBuffers: 2 }));
    next("read", E.EIO);
    expect(moveStream(stream)).toBe(Outcome.ringBufferFailed);
    expect(stream.failure).toBe(E.EIO);
    expect(world.received()).toEqual([1, 2]);
  });

  test("is done when the ring buffer is empty", () => {
    expect(moveStream(make().stream)).toBe(Outcome.stopped);
    expect(world.received()).toEqual([]);
  });
});

describe("while running", () => {
  test("a shortage of memory at splice, read, write and send delays and loses nothing", () => {
    const { stream, next } = bound(make({ subBuffers: 20 }));
    world.order(Order.running);
    world.putPartial(21);
    next("take", E.ENOMEM, E.EBUSY);
    next("read", E.ENOMEM);
    next("fill", E.ENOMEM, E.ENOMEM);
    // The last of them ends the run, when all has been denied once.
    next("send", E.ENOMEM, E.ENOBUFS, E.EINTR, () => {
      world.order(Order.armed);
      return -E.ENOMEM;
    });
    expect(moveStream(stream)).toBe(Outcome.stopped);
    expect(world.received()).toEqual(Array.from({ length: 21 }, (_, index) => index + 1));
    expect(world.lostBytes).toBe(0);
  });

  test("read that fails ends the worker with its errno", () => {
    const { stream, next } = bound(make());
    world.order(Order.running);
    next("read", E.ENODEV);
    expect(moveStream(stream)).toBe(Outcome.ringBufferFailed);
    expect(stream.failure).toBe(E.ENODEV);
  });

  test("a port that fails counts what lay in the pipe as lost", () => {
    const { stream, next } = bound(make({ subBuffers: 3 }));
    next("send", E.ENODEV);
    expect(moveStream(stream)).toBe(Outcome.portFailed);
    expect(stream.failure).toBe(E.ENODEV);
    expect(world.lostBytes).toBe(3 * 4096);
  });

  test("an errno that only a bug can cause is an assertion, not a failure of the world", () => {
    const { stream, next } = bound(make());
    next("take", E.EBADF);
    expect(() => moveStream(stream)).toThrow("assertion failed: trace_pipe_raw can be read (EBADF)");
  });
});

describe("a worker that waits for data", () => {
  /** What each wait for data was: ms, and whether the ring buffer was in the poll set; `answers` says what ended it. */
  function waits(answers: (() => "event" | "woken" | "time-out" | "stop")[]): string[] {
    const { stream } = world;
    const seen: string[] = [];
    const set = stream.dataPoll.set.bind(stream.dataPoll);
    let polled = -1;
    let revents = 0;
    world.order(Order.running);
    spyOn(stream.dataPoll, "set").mockImplementation((slot, fd, events) => {
      if (slot === dataSlot) polled = fd;
      set(slot, fd, events);
    });
    spyOn(stream.dataPoll, "revents").mockImplementation((slot) => (slot === dataSlot ? revents : 0));
    spyOn(stream.dataPoll, "wait").mockImplementation((timeoutMs) => {
      expect(world.run.word(0, Word.sleeping)).toBe(1);
      seen.push(`${polled < 0 ? "blind" : "polled"} ${timeoutMs === stream.sleepMs ? "" : timeoutMs}`.trimEnd());
      const ended = answers.shift()?.() ?? "stop";
      if (ended === "stop") world.order(Order.armed);
      if (ended === "woken") world.run.setWord(0, Word.partialDue, 1);
      revents = ended === "event" ? POLL.IN : 0;
      return ended === "time-out" ? 0 : 1;
    });
    expect(moveStream(stream)).toBe(Outcome.stopped);
    expect(world.run.word(0, Word.sleeping)).toBe(0);
    return seen;
  }
  const putWhole = (count: number): "event" => {
    world.putWhole(count);
    return "event";
  };

  test("sleeps until the ring buffer's wake-up or the check, and sends the partial sub-buffer when it is due", () => {
    make();
    expect(
      waits([
        () => putWhole(3),
        () => {
          world.putPartial(4);
          return "woken";
        },
        () => "woken",
      ]),
    ).toEqual(["polled", "polled", "polled", "polled"]);
    expect(world.received()).toEqual([1, 2, 3, 4]);
  });

  test("does not sleep when the check came just before", () => {
    make();
    world.putPartial(1);
    world.run.setWord(0, Word.partialDue, 1);
    expect(waits([])).toEqual(["polled"]);
    expect(world.received()).toEqual([1]);
  });

  test("leaves out of the poll set a ring buffer that wakes it at every event: until the check, and while data come fast", () => {
    make();
    expect(
      waits([
        // A single event: it is looked at once more, then the check is waited for.
        () => "event",
        () => "time-out",
        () => "woken",
        // A burst.
        () => "event",
        () => {
          world.putWhole(2);
          return "time-out";
        },
        () => {
          world.putWhole(1);
          return "time-out";
        },
        () => "time-out",
        () => "woken",
      ]),
    ).toEqual(["polled", "blind 10", "blind", "polled", "blind 10", "blind 30", "blind 30", "blind", "polled"]);
  });
});

describe("a pipe smaller than a sub-buffer", () => {
  for (const pipeBytes of [4096, 8192]) {
    test(`of ${pipeBytes} bytes takes a partial sub-buffer of 64 KiB in pieces, and the stream stays aligned`, () => {
      const { stream, next } = bound(make({ subBufferBytes: 65536, pipeBytes }));
      world.putPartial(1);
      // Memory runs out in the middle.
      next("fill", () => undefined, E.ENOMEM);
      expect(moveStream(stream)).toBe(Outcome.stopped);
      world.putPartial(2);
      expect(moveStream(stream)).toBe(Outcome.stopped);
      expect(world.received()).toEqual([1, 2]);
      expect(world.lostBytes).toBe(0);
    });
  }

  test("is read until nothing is left, since splice takes only what fits the pipe", () => {
    const { stream } = make({ subBufferBytes: 65536, pipeBytes: 8192 });
    for (let number = 1; number <= 10; number++) world.putPartial(number);
    expect(moveStream(stream)).toBe(Outcome.stopped);
    expect(world.received()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(world.calls.take).toBe(0);
  });

  test("is counted whole when the port fails in the middle", () => {
    const { stream, next } = bound(make({ subBufferBytes: 65536, pipeBytes: 4096 }));
    world.putPartial(1);
    next("send", () => world.sendOnly(4096), E.ENODEV);
    expect(moveStream(stream)).toBe(Outcome.portFailed);
    expect(world.lostBytes).toBe(65536 - 4096);
  });
});

describe("a virtio port that drops what it was given", () => {
  test("between two sub-buffers loses them, and they are counted", () => {
    const { stream, next } = bound(make({ subBuffers: 20, outputTraits: virtio.guest.traits }));
    next("send", () => world.emptyPipe());
    expect(moveStream(stream)).toBe(Outcome.stopped);
    expect(world.received()).toEqual([17, 18, 19, 20]);
    expect(world.lostBytes).toBe(16 * 4096);
  });

  test("in the middle of a sub-buffer leaves the stream aligned", () => {
    const { stream, next } = bound(make({ subBuffers: 20, outputTraits: virtio.guest.traits }));
    next(
      "send",
      () => world.sendOnly(6000),
      () => world.emptyPipe(),
    );
    expect(moveStream(stream)).toBe(Outcome.stopped);
    expect(world.received()).toEqual([1, "torn", 17, 18, 19, 20]);
    expect(world.lostBytes).toBe(16 * 4096 - 6000);
  });
});

describe("the size of a sub-buffer", () => {
  test("that was made larger on the way is learned from the partial one", () => {
    const { stream } = make({ subBufferBytes: 65536, pipeBytes: 8192 });
    stream.subBufferBytes = 4096;
    stream.spliceBytes = 8192;
    stream.partial = new Uint8Array(new ArrayBuffer(8192));
    world.putPartial(9);
    expect(moveStream(stream)).toBe(Outcome.stopped);
    expect(world.received()).toEqual([9]);
    expect({ subBuffer: stream.subBufferBytes, take: stream.spliceBytes }).toEqual({ subBuffer: 65536, take: 65536 });
  });
});

test("a stdout that cannot be written to is the user's fault, not a bug", () => {
  const { stream } = make({ subBuffers: 1 });
  const readOnly = openFd("/dev/null", O.RDONLY);
  try {
    Object.assign(stream, { outputFd: readOnly });
    expect(moveStream(stream)).toBe(Outcome.portFailed);
    expect(stream.failure).toBe(E.EBADF);
  } finally {
    closeFd(readOnly);
  }
});

function bound(from: LoopWorld): { stream: LoopWorld["stream"]; next: LoopWorld["next"] } {
  return { stream: from.stream, next: from.next.bind(from) };
}
