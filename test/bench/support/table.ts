/** A series as text: a table with the raw medians, the ratio and what was wanted, and bars. */
import type { Figure } from "./series.ts";
import { format, median, pairedRatio } from "./statistics.ts";

/** Undefined where nothing is wanted, or nothing to compare with was measured. */
export function isReached(figure: Figure): boolean | undefined {
  const { reach } = figure;
  if (reach === undefined) return undefined;
  const wanted = "value" in reach ? reach.value : reach.ratio;
  let value = "value" in reach ? median(figure.ours) : ratioOf(figure);
  // Nothing lost on both sides is as good.
  if ("ratio" in reach && figure.peer !== undefined && median(figure.ours) === 0 && median(figure.peer.values) === 0)
    value = wanted;
  if (Number.isNaN(value)) return undefined;
  return reach.is === "most" ? value <= wanted : value >= wanted;
}

export function ratioOf(figure: Figure): number {
  return figure.peer === undefined ? Number.NaN : pairedRatio(figure.ours, figure.peer.values);
}

export function tableOf(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => {
    const { name, unit, ours, peer, reach } = figure;
    const reached = isReached(figure);
    return [
      name,
      `${spread(ours)} ${unit}`,
      peer === undefined ? "" : `${spread(peer.values)} (${peer.name})`,
      Number.isFinite(ratioOf(figure)) ? `${ratioOf(figure).toFixed(2)} x` : "",
      reach === undefined
        ? ""
        : `at ${reach.is} ${"value" in reach ? `${format(reach.value)} ${unit}` : `${reach.ratio} x`}`,
      reached === undefined ? "" : reached ? "reached" : "MISSED",
    ];
  });
  return columns([["", "ours: median (least to most)", "peer", "ratio", "wanted", ""], ...rows]);
}

function spread(values: readonly number[]): string {
  if (values.length < 2) return format(median(values));
  return `${format(median(values))} (${format(Math.min(...values))} to ${format(Math.max(...values))})`;
}

function columns(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

const barWidth = 40;

/** Bars of the medians, each figure in its own scale. */
export function barsOf(figures: readonly Figure[]): string {
  const lines: string[] = [];
  for (const { name, unit, ours, peer } of figures) {
    const bars = [
      { who: "ours", value: median(ours) },
      ...(peer === undefined ? [] : [{ who: peer.name, value: median(peer.values) }]),
    ];
    const most = Math.max(...bars.map(({ value }) => value).filter((value) => Number.isFinite(value)));
    if (!(most > 0) || peer === undefined) continue;
    lines.push(name);
    for (const { who, value } of bars) {
      lines.push(
        `  ${who.padEnd(5)} ${"█".repeat(Math.round((Math.max(value, 0) / most) * barWidth) || 0).padEnd(barWidth)} ${format(value)} ${unit}`,
      );
    }
  }
  return lines.join("\n");
}
