import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { traceLatency, type LatencyTrace } from "../../support/latency-world.ts";
import { inLongForm } from "../../support/long.ts";
import { inQuickForm } from "../../support/quick.ts";
import { testSeed } from "../../support/seed.ts";

/** Waits are whole ms, and each call takes some time. */
const roundingMs = 2;
/** How many pages of events half of a ring buffer holds. */
const halfPages = 100;
const untilMs = 5000;

/** So many events a second from `fromMs` on. */
function evenly(perSecond: number, fromMs = 0, toMs = untilMs): number[] {
  return Array.from(
    { length: ((toMs - fromMs) * perSecond) / 1000 },
    (_, index) => fromMs + (index * 1000) / perSecond,
  );
}

const most = ({ waits }: LatencyTrace): number => waits.reduce((a, b) => Math.max(a, b), 0);
const perSecond = (wakes: number): number => wakes / (untilMs / 1000);

describe.each([50, 500])("with latency_ms %i an event waits no longer, ", (latencyMs) => {
  describe.each([halfPages, 0])("where the ring buffer wakes at %i pages (0: at each event),", (wakePages) => {
    const trace = (events: readonly number[]): LatencyTrace => {
      const traced = traceLatency({ events, untilMs, latencyMs, wakePages });
      expect(traced.waits.length).toBe(events.length);
      expect(most(traced)).toBeLessThanOrEqual(latencyMs + roundingMs);
      return traced;
    };
    for (const rate of [0.4, 3, 30, 900, 1100, 9000, 11_000, 90_000])
      test(`when ${rate} come in a second`, () => void trace(evenly(rate)));

    test("when few come behind many", () => {
      const tail = [1, 2, 30, 60, 100, 101, 400, 480, 700, 1300].map((ms) => 1000 + ms);
      trace([...evenly(100_000, 0, 1000), ...tail, ...evenly(100_000, 3000, 3100), 3100, 3149, 3151, 3300]);
    });

    test("whatever comes", () => {
      const part = fc.record({
        perSecond: fc.constantFrom(0.5, 10, 500, 2000, 20_000),
        ms: fc.nat(400),
        gapMs: fc.nat(700),
      });
      fc.assert(
        fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
          let atMs = 0;
          trace(
            parts.flatMap(({ perSecond: rate, ms, gapMs }) => {
              const events = evenly(rate, atMs, Math.min(atMs + ms, untilMs));
              atMs += ms + gapMs;
              return events;
            }),
          );
        }),
        { seed: testSeed, numRuns: inQuickForm(6, inLongForm(20, 2000)) },
      );
    });
  });
});

describe("wake-ups", () => {
  const trace = (rate: number, latencyMs: number): { worker: number; control: number } => {
    const traced = traceLatency({ events: evenly(rate), untilMs, latencyMs, wakePages: halfPages });
    return { worker: perSecond(traced.workerWakes), control: perSecond(traced.controlWakes) };
  };

  test("without events are the check's alone", () => {
    expect(trace(0, 50)).toEqual({ worker: 0, control: expect.closeTo(20, 0) });
  });

  test("of rare events come from the check, one for each", () => {
    const { worker, control } = trace(2, 50);
    expect(worker).toBeCloseTo(2, 0);
    expect(control).toBeCloseTo(20, 0);
  });
});

test("a worker that slept for a longer latency is woken for a shorter one", () => {
  const events = evenly(5000);
  const plan = { events, untilMs, latencyMs: 500, wakePages: 1000, laterLatency: { atMs: 2300, latencyMs: 50 } };
  const { waits } = traceLatency(plan);
  const behind = waits.filter((_, index) => (events[index] ?? 0) > 2300);
  expect(behind.reduce((a, b) => Math.max(a, b), 0)).toBeLessThanOrEqual(50 + roundingMs);
});
