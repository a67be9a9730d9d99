/** Each series runs as small as can be, so that it cannot rot. That figures come out is looked at, not how good they are. */
import { expect, test } from "bun:test";
import { guestHookTimeoutMs } from "../support/guest.ts";
import { allSeries } from "./all-series.ts";
import { svgOf } from "./support/chart.ts";
import { kernelAgent } from "./support/kernel-agent.ts";
import { pairedRatio, percentile } from "./support/statistics.ts";
import { barsOf, isReached, tableOf } from "./support/table.ts";

for (const series of allSeries) {
  const reason = await series.skipReason();
  if (reason !== undefined) console.error(`skipped: benchmark series ${series.name}: ${reason}`);
  test.skipIf(reason !== undefined)(
    `series ${series.name} gives figures`,
    async () => {
      const context = { tiny: true, latencyMs: 500, kernelAgent: await kernelAgent(false), pairs: 1, say: () => {} };
      const { figures, notes } = await series.run(context);
      expect(figures.length).toBeGreaterThan(0);
      for (const figure of figures)
        expect(figure.ours.filter((value) => Number.isFinite(value))).toHaveLength(figure.ours.length);
      expect(notes.length).toBeGreaterThan(0);
      expect(tableOf(figures).split("\n")).toHaveLength(figures.length + 1);
      expect(svgOf(series.title, figures)).toContain("</svg>");
    },
    guestHookTimeoutMs,
  );
}

test("a ratio is the median over pairs, so a drift of the machine cancels out", () => {
  expect(pairedRatio([1, 20, 300], [2, 40, 600])).toBe(0.5);
  expect(percentile([5, 1, 4, 2, 3], 0.5)).toBe(3);
  expect(percentile([5, 1, 4, 2, 3], 0.99)).toBe(5);
});

test("a figure tells whether what was wanted is reached, and nothing lost on both sides is as good", () => {
  const figure = {
    name: "lost",
    unit: "%",
    ours: [0],
    peer: { name: "C", values: [0] },
    reach: { ratio: 1, is: "most" },
  } as const;
  expect(isReached({ ...figure, ours: [0], peer: { name: "C", values: [0] } })).toBe(true);
  expect(isReached({ ...figure, ours: [2], peer: { name: "C", values: [1] } })).toBe(false);
  expect(isReached({ name: "p99", unit: "ms", ours: [40, 60, 45], reach: { value: 50, is: "most" } })).toBe(true);
  expect(barsOf([{ ...figure, ours: [1], peer: { name: "C", values: [2] } }])).toContain("ours");
});
