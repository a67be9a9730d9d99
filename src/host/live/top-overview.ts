/** `top` of several guests: of each its rates, its longest wait and a line per CPU, in the guests' order. The chosen one is reversed. */
import { foreignText } from "../../base/foreign-text.ts";
import { hostLimits } from "../limits.ts";
import type { TopView } from "./top-meter.ts";
import { barOf, cut, helpLines, percent, type ScreenLine, summary, waitLine } from "./top-screen.ts";

type Overviewed = {
  name: string;
  view: TopView | undefined;
  title: string;
  silentMs: number;
  ended: boolean;
};

/**
 * At most `rows` lines of at most `columns` characters; what does not fit is below or above, the chosen guest is always seen. Then the
 * longest wait of all guests stays above them.
 */
export function overviewOf(
  guests: readonly Overviewed[],
  chosen: number,
  { paused, message, help }: { paused: boolean; message: string; help: boolean },
  columns: number,
  rows: number,
): ScreenLine[] {
  const width = Math.min(24, Math.max(5, ...guests.map(({ name }) => name.length)));
  const body: ScreenLine[] = [];
  let chosenAt = 0;
  for (const [index, guest] of guests.entries()) {
    if (index === chosen) chosenAt = body.length;
    for (const text of linesOf(guest, width)) body.push({ text, style: index === chosen ? "reverse" : "plain" });
  }
  const head = `${"GUEST".padEnd(width)}  CPU            BUSY%  TASK${paused ? "  PAUSED" : ""}`;
  const isScrolled = body.length > rows - 2;
  const longest = isScrolled && !help ? longestOf(guests) : undefined;
  const room = Math.max(1, rows - (longest === undefined ? 2 : 3));
  const from = Math.max(0, Math.min(chosenAt, body.length - room));
  const shown = help
    ? helpLines.slice(0, room).map((text): ScreenLine => ({ text, style: "plain" }))
    : body.slice(from, from + room);
  const rest = help ? 0 : body.length - shown.length;
  const keys = `q quit  p pause  j,k choose  Enter go into it  h help${rest > 0 ? `  (${rest} lines more)` : ""}`;
  const lines: ScreenLine[] = [
    ...(longest === undefined ? [] : [{ text: longest, style: "plain" } as const]),
    { text: head, style: "bold" } as const,
    ...shown,
    ...Array.from({ length: Math.max(0, room - shown.length) }, () => ({ text: "", style: "plain" }) as const),
  ];
  // The keys stay where they are: what was done is told above them.
  if (message !== "" && lines.length > 1) lines[lines.length - 1] = { text: message, style: "bold" };
  return [...lines.slice(0, Math.max(0, rows - 1)), { text: keys, style: "reverse" } as const]
    .slice(0, rows)
    .map(({ text, style }) => ({
      text: style === "reverse" ? cut(text, columns).padEnd(columns) : cut(text, columns),
      style,
    }));
}

function linesOf({ name, view, title, silentMs, ended }: Overviewed, width: number): string[] {
  const label = cut(foreignText(name), width).padEnd(width);
  if (ended || view === undefined) return [`${label}  ${foreignText(title.slice(name.length).trim(), 200)}`];
  const silent = silentMs > hostLimits.statusSilentMs ? `  NO ANSWER FOR ${Math.round(silentMs / 1000)} s` : "";
  const cpus = view.cpus.map(
    ({ cpu, busyShare, running }) =>
      `${label}  ${String(cpu).padStart(3)} ${barOf(busyShare)} ${percent(busyShare)}  ${foreignText(running)}`,
  );
  const wait = waitLine(view);
  return [`${label}  ${summary(view)}${silent}`, ...(wait === "" ? [] : [`${label}  ${wait}`]), ...cpus];
}

function longestOf(guests: readonly Overviewed[]): string | undefined {
  let worst: { name: string; view: TopView; ns: number } | undefined;
  for (const { name, view, ended } of guests) {
    const wait = ended ? undefined : view?.longestWait;
    if (view === undefined || wait === undefined) continue;
    const ns = wait.end - wait.start;
    if (worst === undefined || ns > worst.ns) worst = { name, view, ns };
  }
  return worst === undefined ? undefined : `${cut(foreignText(worst.name), 24)}: ${waitLine(worst.view)}`;
}
