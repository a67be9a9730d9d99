/** Times on the command line: a number and its unit. A bare m could be minutes or megabytes, and is neither. */
import { AgentError } from "../base/errors.ts";

const factors: Record<string, number> = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000 };

/** ms; undefined for what is no time. */
export function durationIn(text: string): number | undefined {
  const [, digits, unit = ""] = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|min|h|d)$/.exec(text) ?? [];
  const factor = factors[unit];
  return digits === undefined || factor === undefined ? undefined : Number(digits) * factor;
}

/** ms, or a usage error that names the option. */
export function parseDuration(option: string, text: string): number {
  refuseBareM(option, text, ["min"]);
  const ms = durationIn(text);
  if (ms !== undefined) return ms;
  throw new AgentError("usage", `cannot read ${option} "${text}": not a time`, {
    remedy: "write it as 500ms, 30s, 10min, 2h or 7d",
  });
}

/** `units`: what the option takes that may have been meant. */
export function refuseBareM(option: string, text: string, units: readonly ("M" | "min")[]): void {
  const [, digits] = /^(\d+(?:\.\d+)?)m$/.exec(text) ?? [];
  if (digits === undefined) return;
  throw new AgentError("usage", `cannot read ${option} "${text}": m is not clear`, {
    remedy: `write ${units.map((unit) => `${digits}${unit}`).join(" or ")}`,
  });
}
