/** When the clocks of many guests are read: not all at once. */
import { afterEach, expect, spyOn, test } from "bun:test";
import { hostLimits } from "../../../src/host/limits.ts";
import { type ClockSource, ClockWatch } from "../../../src/host/run/clock-watch.ts";
import { PortLoop } from "../../../src/host/run/port-loop.ts";

let nowMs = 1000;
const clock = spyOn(performance, "now").mockImplementation(() => nowMs);
afterEach(() => {
  clock.mockRestore();
});

/** When it was asked for its clock. */
function guest(loop: PortLoop): { source: ClockSource; askedMs: number[] } {
  const askedMs: number[] = [];
  const source = {
    guest: { guest: "vm", path: "/vm" },
    pump: { phase: loop.nextPhase() },
    knows: () => true,
    clockRound: () => {
      askedMs.push(nowMs);
      return Promise.resolve(undefined);
    },
  };
  return { source, askedMs };
}

test("the bursts of 64 guests that are ready at the same time are spread over their period, and no guest waits longer", async () => {
  const loop = new PortLoop();
  const guests = Array.from({ length: 64 }, () => guest(loop));
  loop.close();
  const watches = guests.flatMap(({ source }) => ClockWatch.of(source, "mono_raw", () => {}) ?? []);
  for (const watch of watches) await watch.take();
  const begunMs = nowMs;
  const { burstEveryMs } = hostLimits;
  for (; nowMs <= begunMs + 2 * burstEveryMs; nowMs += 50)
    for (const watch of watches) await watch.takeIfDue(() => false);
  const perTenth = new Map<number, number>();
  for (const { askedMs } of guests) {
    const [first = 0, second = 0, third = Infinity] = askedMs;
    expect(second - first).toBeWithin(1, burstEveryMs + 51);
    expect(third - second).toBeWithin(burstEveryMs, burstEveryMs + 51);
    const tenth = Math.floor((10 * (second - begunMs)) / burstEveryMs);
    perTenth.set(tenth, (perTenth.get(tenth) ?? 0) + 1);
  }
  // Of 64 a tenth is 6.4.
  for (const count of perTenth.values()) expect(count).toBeLessThanOrEqual(8);
});
