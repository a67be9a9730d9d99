/**
 * Finds about where a guest's recording lies on its host's clock when nothing is known: some of its events, in a window, are laid
 * over all that the host recorded, and the offsets are counted for which they lie within their vCPUs' time on a CPU. Bounded in
 * time and memory whatever the recordings are; refined afterwards (refine.ts).
 */
import { timelineLimits } from "../limits.ts";
import type { RecordedSlices } from "./host-slices.ts";
import type { Interval } from "./interval.ts";
import type { VcpuSlices } from "./vcpu-slices.ts";

export type SearchEvent = { readonly cpu: number; readonly time: number };

/** Undefined where no offset is clearly the best. `slices`: read to the end of what is searched. */
export function coarseOffset(events: readonly SearchEvent[], slices: RecordedSlices): Interval | undefined {
  const [first] = events;
  const last = events.at(-1);
  if (first === undefined || last === undefined || events.length < timelineLimits.syncLeastEvents) return undefined;
  // All of them lie within what the host recorded.
  const [from, to] = [slices.begin - first.time, slices.end - last.time];
  if (!(to > from)) return undefined;
  const { searchBinNs, searchBins, searchInsideLeast, syncRunnerUpMost, syncMisfitsLeast, syncMisfitsTimes } =
    timelineLimits;
  const bin = Math.max(searchBinNs, (to - from) / searchBins);
  const counts = new Int32Array(Math.ceil((to - from) / bin) + 2);
  for (const { cpu, time } of events) {
    const ofVcpu = slices.vcpus[cpu];
    if (ofVcpu !== undefined) ofVcpu.withOpen(() => addEvent(counts, ofVcpu, time, from, bin));
  }
  let votes = 0;
  for (let index = 0; index < counts.length; index++) counts[index] = votes += counts[index] ?? 0;
  const best = counts.reduce((most, count, index) => (count > (counts[most] ?? 0) ? index : most), 0);
  const most = counts[best] ?? 0;
  // What reaches as high without a break is one answer; it may be wide where slices are long.
  const near = Math.ceil(timelineLimits.searchApartNs / bin);
  const runnerUp = counts.reduce(
    (high, count, index) => (Math.abs(index - best) > near ? Math.max(high, count) : high),
    0,
  );
  if (most < events.length * searchInsideLeast) return undefined;
  // As in refine.ts, but for the width: what is found here is refined.
  const misfits = events.length - runnerUp;
  const isClear = misfits >= syncMisfitsLeast + syncMisfitsTimes * (events.length - most);
  if (runnerUp >= most * syncRunnerUpMost && !isClear) return undefined;
  const middle = from + best * bin;
  return { low: middle - timelineLimits.searchApartNs, high: middle + timelineLimits.searchApartNs };
}

/** Where offsets begin and end to fit the event: slices that overlap in a bin count once. */
function addEvent(counts: Int32Array, { begins, ends }: VcpuSlices, time: number, from: number, bin: number): void {
  const most = counts.length - 1;
  let past = 0;
  for (let slice = begins.start; slice < begins.end; slice++) {
    const begin = Math.max(past, Math.floor(((begins.values[slice] ?? 0) - time - from) / bin));
    const end = Math.min(most, Math.floor(((ends.values[slice] ?? 0) - time - from) / bin) + 1);
    if (begin > most) return;
    if (end <= begin) continue;
    counts[begin] = (counts[begin] ?? 0) + 1;
    counts[end] = (counts[end] ?? 0) - 1;
    past = end;
  }
}
