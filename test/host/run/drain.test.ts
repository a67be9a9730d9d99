/** What a guest still has at its stop. */
import { expect, test } from "bun:test";
import { receiveRest } from "../../../src/host/run/drain.ts";

test("data that the guest told of and that do not come are not looked for each millisecond", async () => {
  const turnMs = 20;
  const waits: number[] = [];
  const readers = [{ cpu: 0, gone: false, received: 0, surplus: 0 }];
  const turns = async (forMs: number, enough: () => boolean): Promise<void> => {
    waits.push(forMs);
    await Bun.sleep(forMs);
    expect(enough()).toBeFalse();
    // They come late, which ends the wait.
    if (waits.length === 3) readers[0]!.received = 4096;
    expect(enough()).toBe(waits.length === 3);
  };
  const pump = { readers, cameBytes: 0, lastDataMs: -1000, full: undefined, turns };
  const limits = { silenceMs: 60_000, totalMs: 60_000 };
  const { stop, wrong } = await receiveRest(
    { pump, cancelled: false, guest: { guest: "vm", path: "/vm", local: true } } as never,
    readers as never,
    {
      from: [{ cpu: 0, bytes: 0 }],
      stop: { reply: "stop", state: "armed", streams: [{ cpu: 0, bytes: 4096, lostBytes: 0 }] },
      bounds: { possibleBytes: new Map([[0, 1 << 20]]), bySize: false, limits },
      turn: () => turnMs,
    },
  );
  expect({ waits, streams: stop.streams.length, wrong }).toEqual({ waits: [20, 20, 20], streams: 1, wrong: undefined });
});
