/**
 * Follows an offset through a window of events, from where it is about known: in blocks so short that clocks cannot drift apart in
 * them by much. Each block's events leave a range of offsets (votes.ts), and each range leaves only what a drift can make of it for
 * the next block. That asks for no even drift: what is found holds everywhere in the window.
 */
import { timelineLimits } from "../limits.ts";
import { halfWidth, type Interval, intersection, isEmpty, middle } from "./interval.ts";
import { type Knot, later, narrowed, type Rates } from "./knots.ts";
import type { Ballot, VcpuEvents } from "./votes.ts";

type Block = { readonly at: number; readonly reach: number; readonly vcpus: readonly VcpuEvents[] };

export type Followed = { readonly knots: readonly Knot[]; readonly events: number; readonly inside: number };

export type FollowOptions = {
  /** What is known else, at any time. */
  readonly range: (time: number) => Interval;
  readonly rates: Rates;
  /** The share of events that fit nowhere. */
  readonly strays: number;
};

/** Undefined where what is known there and what is known else exclude each other, or too few events fit. */
export function follow(
  ballot: Ballot,
  vcpus: readonly VcpuEvents[],
  start: Omit<Knot, "reach">,
  { range, rates, strays }: FollowOptions,
): Followed | undefined {
  const { syncInsideLeast, syncStampNs, syncBlockStrays } = timelineLimits;
  const blocks = blocksOf(vcpus);
  const knots: Knot[] = [];
  let [events, inside] = [0, 0];
  const step = (block: Block, from: Omit<Knot, "reach">): Knot | undefined => {
    const { at, reach } = block;
    const allowed = intersection(later(from, at, rates), range(at));
    if (isEmpty(allowed)) return undefined;
    const count = block.vcpus.reduce((sum, { times }) => sum + times.end - times.start, 0);
    const spare = Math.ceil(strays * count);
    const how = { middle: at, drift: middle(rates), rate: halfWidth(rates), stampNs: syncStampNs, spare };
    const vote = ballot.sweep(block.vcpus, allowed, Infinity, how);
    events += vote.events;
    inside += vote.inside;
    // Most of them fit nowhere here: they say nothing.
    const isSound = vote.events - vote.inside <= Math.max(1, vote.events * syncBlockStrays);
    return { at, reach, ...(isSound ? vote.offset : allowed) };
  };
  const first = blocks.findIndex(({ at }) => at >= start.at);
  const next = first < 0 ? blocks.length : first;
  let from = start;
  for (const block of blocks.slice(next)) {
    const knot = step(block, from);
    if (knot === undefined) return undefined;
    knots.push(knot);
    from = knot;
  }
  from = knots[0] ?? start;
  for (const block of blocks.slice(0, next).reverse()) {
    const knot = step(block, from);
    if (knot === undefined) return undefined;
    knots.unshift(knot);
    from = knot;
  }
  if (knots.length === 0 || inside < events * syncInsideLeast) return undefined;
  return { knots: narrowed(knots, rates), events, inside };
}

/** Of all events; in order of time. */
function blocksOf(vcpus: readonly VcpuEvents[]): Block[] {
  const { syncBlockNs, syncBlockMaxNs, syncBlockEvents } = timelineLimits;
  const next = vcpus.map(({ times }) => times.start);
  const blocks: Block[] = [];
  for (;;) {
    const begins = next.slice();
    const from = vcpus.reduce((least, { times }, index) => Math.min(least, timeAt(times, next[index])), Infinity);
    if (from === Infinity) return blocks;
    let [count, to] = [0, from];
    for (let end = from + syncBlockNs; end - from <= syncBlockMaxNs && count < syncBlockEvents; end += syncBlockNs) {
      for (const [index, { times }] of vcpus.entries()) {
        let position = next[index] ?? 0;
        for (; position < times.end && (times.values[position] ?? 0) < end; position++) {
          count++;
          to = Math.max(to, times.values[position] ?? 0);
        }
        next[index] = position;
      }
    }
    blocks.push({
      at: middle({ low: from, high: to }),
      reach: (to - from) / 2,
      vcpus: vcpus.map(({ times, slices }, index) => ({
        times: { values: times.values, start: begins[index] ?? 0, end: next[index] ?? 0 },
        slices,
      })),
    });
  }
}

function timeAt({ values, end }: VcpuEvents["times"], index = 0): number {
  return index < end ? (values[index] ?? Infinity) : Infinity;
}
