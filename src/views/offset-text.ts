/** How well a machine's clock is known, in a line. */
import { foreignText } from "../base/foreign-text.ts";
import type { RecordedPart } from "../trace-dat/parts.ts";
import type { SessionOffset } from "../trace-dat/session/session-file.ts";

export function offsetText(name: string, offset: SessionOffset): string {
  return `${name}: clock ${boundText(offset)}`;
}

export function boundText(offset: SessionOffset): string {
  const { method, boundNs = 0, reason, events = 0, inside = 0, steps = [], windows = [] } = offset;
  if (method === "unknown") return `unknown (${reason ?? "no round trips"}): its times are its own`;
  const clear = windows.filter((window) => window.method === "causality");
  const most = clear.reduce((bound, window) => Math.max(bound, window.boundNs), 0);
  const elsewhere =
    clear.length > 0 && most < boundNs && clear.length < windows.length ? `; ±${timeText(most)} in the others` : "";
  const why = reason === undefined ? "" : `: ${reason}${elsewhere}`;
  const how =
    method === "causality"
      ? `${inside} of ${events} events lie within their vCPU's time on a CPU${why}`
      : `round trips only${why}`;
  const jumps = steps.map(
    ({ from, to, ns }) =>
      `; it jumped by ${timeText(Math.abs(Number(ns)))} between ${secondsText(from)} and ${secondsText(to)}: events between may be off by that`,
  );
  return `±${timeText(boundNs)} (${how})${jumps.join("")}`;
}

/** Of machines that are shown with others, and whose events have no order among those of others. */
export function unplacedTexts(parts: readonly RecordedPart[]): string[] {
  if (new Set(parts.map(({ machine }) => machine)).size < 2) return [];
  const texts = parts.flatMap(({ machine, about }) =>
    about?.offset?.method === "unknown" ? [foreignText(offsetText(machine, about.offset))] : [],
  );
  return [...new Set(texts)];
}

/** Rounded up: a bound must hold. */
export function timeText(ns: number): string {
  if (ns < 100_000) return `${Math.ceil(ns / 1_000)} µs`;
  if (ns < 1_000_000_000) return `${Math.ceil(ns / 100_000) / 10} ms`;
  return `${Math.ceil(ns / 100_000_000) / 10} s`;
}

function secondsText(ns: string): string {
  return (Number(ns) / 1e9).toFixed(3);
}
