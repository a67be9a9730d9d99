/** Colours, from the style of the page: those of the reader's light or dark setting. */
import type { Machine } from "./model.ts";

export type Theme = {
  text: string;
  dim: string;
  line: string;
  ground: string;
  band: string;
  accent: string;
  interrupt: string;
  mark: string;
  loss: string;
  runs: string;
  stall: string;
  isDark: boolean;
  /** Size of the page's text, in px: all lengths of the picture follow it. */
  rem: number;
  font: string;
};

export function readTheme(): Theme {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  return {
    text: colour("text"),
    dim: colour("dim"),
    line: colour("line"),
    ground: colour("ground"),
    band: colour("band"),
    accent: colour("accent"),
    interrupt: colour("interrupt"),
    mark: colour("mark"),
    loss: colour("loss"),
    runs: colour("runs"),
    stall: colour("stall"),
    isDark: matchMedia("(prefers-color-scheme: dark)").matches,
    rem: Number.parseFloat(style.fontSize) || 16,
    font: style.fontFamily,
  };
}

/** Hues that eyes tell apart, none of them the red of losses and stalls. */
const hues = [210, 150, 265, 45, 185, 305, 90, 230, 25, 165, 285, 65];

/** Tasks of one name have one colour, in all machines. */
export function taskColours(machine: Machine, isDark: boolean): string[] {
  return machine.tasks.map(([pid, name]) => {
    if (pid === 0) return "transparent";
    let hash = 7;
    for (let at = 0; at < name.length; at++) hash = (Math.imul(hash, 31) + name.charCodeAt(at)) >>> 0;
    hash ^= hash >>> 15;
    const hue = hues[hash % hues.length] ?? 0;
    const shade = (hash >>> 8) % 3;
    return isDark ? `hsl(${hue} 42% ${36 + 6 * shade}%)` : `hsl(${hue} 58% ${66 + 6 * shade}%)`;
  });
}
