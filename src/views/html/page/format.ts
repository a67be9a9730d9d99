/** Times, counts and names as a reader sees them. */
import type { Machine } from "./model.ts";

/** "850 ns", "12.3 µs", "4.56 ms", "1.234 s". */
export function durationText(ns: number): string {
  const size = Math.abs(ns);
  if (size < 1_000) return `${Math.round(ns)} ns`;
  if (size < 1_000_000) return `${digits(ns / 1e3)} µs`;
  if (size < 1_000_000_000) return `${digits(ns / 1e6)} ms`;
  return `${digits(ns / 1e9)} s`;
}

function digits(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size < 10 ? 3 : size < 100 ? 2 : 1);
}

/** "6383.837666123": seconds of the recording's clock, as `report -t` shows them. */
export function timeText(epoch: string, ns: number): string {
  const time = BigInt(epoch) + BigInt(Math.round(ns));
  const size = time < 0n ? -time : time;
  return `${time < 0n ? "-" : ""}${size / 1_000_000_000n}.${String(size % 1_000_000_000n).padStart(9, "0")}`;
}

export function countText(count: number): string {
  return count.toLocaleString("en");
}

export function percentText(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** "nginx-1234", "idle". */
export function taskText(machine: Machine, task: number): string {
  const [pid = 0, name = ""] = machine.tasks[task] ?? [];
  return pid === 0 ? "idle" : `${name}-${pid}`;
}

/** Lines of the axis: a round step, at least `least` apart. */
export function axisStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, least)));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least) ?? 10 * power;
}

/** A time of the axis, from the first event on, in the unit of the step. */
export function axisText(ns: number, step: number): string {
  const [unit, name] = step >= 1e9 ? [1e9, "s"] : step >= 1e6 ? [1e6, "ms"] : step >= 1e3 ? [1e3, "µs"] : [1, "ns"];
  const value = Math.round(ns / step) * step;
  // Long numbers of small units cannot be compared by eye.
  if (unit < 1e9 && Math.abs(value) >= 1e9) {
    const places = Math.max(0, Math.ceil(-Math.log10(step / 1e9)));
    return `${(value / 1e9).toFixed(places)} s`;
  }
  return `${countText(Math.round(value / unit))} ${name}`;
}
