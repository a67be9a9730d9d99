/** To the next of what a search found. */
import { type Sequence, sequencesOf } from "./found.ts";
import type { Chosen } from "./scene.ts";
import { lowerBound } from "./search.ts";
import type { Stage } from "./stage.ts";

/**
 * The next of what was found, by time, from what is chosen or else from the edge of the view on; at one time from top to bottom.
 * After the last one the first.
 */
export function nextFound(stage: Stage, step: number): void {
  const { found, chosen, model, window } = stage;
  if (found === undefined) return;
  const sequences = sequencesOf(model, found);
  const best =
    nearest(sequences, chosen, step > 0 ? window.from : window.to, step) ??
    nearest(sequences, undefined, step > 0 ? window.first : window.last + 1, step);
  if (best !== undefined) stage.goTo(best);
}

function nearest(
  sequences: readonly Sequence[],
  chosen: Chosen | undefined,
  edge: number,
  step: number,
): Chosen | undefined {
  const own = sequences.findIndex(({ row, of }) => chosen !== undefined && chosen.row === row && chosen.of === of);
  const time = sequences[own]?.times[chosen?.index ?? 0] ?? edge;
  let best: { chosen: Chosen; time: number } | undefined;
  for (const [place, { row, of, times, has }] of sequences.entries()) {
    const isBehind = own < 0 ? step > 0 : place > own;
    // At the same time those above come before, those below behind. Times are whole.
    const next = lowerBound(times, isBehind ? time : time + 0.5);
    let index = place === own ? (chosen?.index ?? 0) + step : step > 0 ? next : next - 1;
    while (index >= 0 && index < times.length && !has(index)) index += step;
    const at = times[index];
    if (at === undefined) continue;
    if (best === undefined || (step > 0 ? at < best.time : at >= best.time))
      best = { chosen: { row, of, index }, time: at };
  }
  return best?.chosen;
}
