/** A series as an SVG: a pair of bars for each figure, in its own scale. Readable on a light and a dark page. */
import type { Figure } from "./series.ts";
import { format, median } from "./statistics.ts";

const width = 760;
const labelWidth = 250;
const barsWidth = 340;
const barHeight = 14;
const gap = 12;
const colours = { ours: "#2a7fb8", peer: "#b07b2c" };

export function svgOf(title: string, figures: readonly Figure[]): string {
  const parts: string[] = [];
  let y = 40;
  for (const figure of figures) {
    const bars = [{ who: "ours", value: median(figure.ours), colour: colours.ours }];
    if (figure.peer !== undefined)
      bars.push({ who: figure.peer.name, value: median(figure.peer.values), colour: colours.peer });
    const most = Math.max(...bars.map(({ value }) => (Number.isFinite(value) ? value : 0)));
    parts.push(text(8, y + barHeight - 3, figure.name));
    for (const { who, value, colour } of bars) {
      const length = most > 0 && Number.isFinite(value) ? Math.max((value / most) * barsWidth, 1) : 0;
      parts.push(
        `<rect x="${labelWidth}" y="${y}" width="${length.toFixed(1)}" height="${barHeight - 2}" fill="${colour}"/>`,
      );
      parts.push(text(labelWidth + length + 6, y + barHeight - 3, `${who} ${format(value)} ${figure.unit}`));
      y += barHeight;
    }
    y += gap;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${y}" viewBox="0 0 ${width} ${y}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
<text x="8" y="22" font-size="14" font-weight="bold" fill="#222">${escape(title)}</text>
${parts.join("\n")}
</svg>
`;
}

function text(x: number, y: number, content: string): string {
  return `<text x="${x.toFixed(1)}" y="${y}" fill="#222">${escape(content)}</text>`;
}

function escape(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
