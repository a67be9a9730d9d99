/** Made-up schedules of a host that runs a guest's vCPUs, and the guest's events in them: the truth is known. */
import type { GuestTimes } from "../../../src/timeline/sync/refine.ts";
import type { HostSlices } from "../../../src/timeline/sync/refiner.ts";
import { VcpuSlices } from "../../../src/timeline/sync/vcpu-slices.ts";
import { inQuickForm } from "../../support/quick.ts";

/** Made vCPUs run and wait so many times as long in the quick form, and have fewer events. */
export const paceOfVcpus = inQuickForm(2, 1);

export type ScheduleOptions = {
  vcpus?: number;
  durationNs?: number;
  /** Of the offset, host time minus guest time: at guest time 0, and how it grows. */
  offsetNs?: number;
  driftPpm?: number;
  /** From these times of the host's clock on it grows by other rates. */
  kinks?: readonly { at: number; ppm: number }[];
  /** Between these times of the host the guest stands still, and its clock does. */
  paused?: readonly Span[];
  /** Between these times of the host all vCPUs run without a wait, or a third of the events lies anywhere. */
  busy?: Span;
  noisy?: Span;
  /** How long a vCPU runs and waits, about; 0: it never waits. */
  runNs?: number;
  waitNs?: number;
  eventsPerSlice?: number;
  /** The share of events that lie anywhere. */
  strayShare?: number;
  /** The thread of vCPU k is told to be that of this one. */
  mapped?: (vcpu: number) => number;
  seed?: number;
};

type Span = readonly [from: number, to: number];

export type Schedule = {
  /** By vCPU, when it ran, in the host's time; and the events, in the guest's. */
  slices: readonly (readonly Span[])[];
  events: readonly { cpu: number; time: number }[];
  guest: GuestTimes & { readonly count: number };
  host: HostSlices;
  offsetAt: (guestTime: number) => number;
};

export function makeSchedule(options: ScheduleOptions = {}): Schedule {
  const { vcpus = 2, durationNs = 4e9, offsetNs = 5e6, driftPpm = 0 } = options;
  const { runNs = 80_000 * paceOfVcpus, waitNs = 150_000 * paceOfVcpus } = options;
  const { eventsPerSlice = 2, strayShare = 0, mapped = (vcpu: number): number => vcpu, seed = 1 } = options;
  const { kinks = [], busy = [0, 0], noisy = [0, 0], paused = [] } = options;
  const random = mulberry(seed);
  const { toGuest, offsetAt } = clockOf(offsetNs, [{ at: offsetNs, ppm: driftPpm }, ...kinks], paused);
  const within = (time: number, [from, to]: Span): boolean => time >= from && time < to;
  const slices = Array.from({ length: vcpus }, (): [number, number][] => []);
  const events: { cpu: number; time: number }[] = [];
  for (let cpu = 0; cpu < vcpus; cpu++) {
    for (let at = random() * (waitNs + 1); at < durationNs;) {
      const pause = paused.find((span) => within(at, span) || (at < span[0] && at + 2 * runNs > span[0]));
      if (pause !== undefined) {
        at = pause[1] + 1_000;
        continue;
      }
      const runs = at + runNs * (0.2 + 1.6 * random());
      const end = waitNs === 0 ? durationNs : within(at, busy) ? busy[1] : runs;
      slices[cpu]?.push([at, end]);
      const count = end > runs ? Math.ceil((end - at) / 200_000) : eventsPerSlice;
      // A guest that wakes up has events at once, and before it sleeps.
      for (let event = 0; event < count; event++) {
        const share = event === 0 ? 0.01 * random() : event === 1 ? 1 - 0.01 * random() : random();
        const [strays, [strayFrom, strayTo]] = within(at, noisy)
          ? [0.33, noisy]
          : [strayShare, [0, durationNs] as const];
        const time = random() < strays ? strayFrom + random() * (strayTo - strayFrom) : at + (end - at) * share;
        events.push({ cpu, time: Math.round(toGuest(time)) });
      }
      at = end + waitNs * (0.2 + 1.6 * random());
    }
  }
  events.sort((a, b) => a.time - b.time);
  return {
    slices,
    events,
    guest: guestOf(events),
    host: hostOf(
      slices.map((_, vcpu) => slices[mapped(vcpu)] ?? []),
      durationNs,
    ),
    offsetAt,
  };
}

/** `rates`: of the offset, from times of the host's clock on; the first from where the guest's is 0. */
function clockOf(
  offsetNs: number,
  rates: readonly { at: number; ppm: number }[],
  paused: readonly Span[],
): { toGuest: (host: number) => number; offsetAt: (guest: number) => number } {
  const pieces = [{ host: offsetNs, guest: 0, rate: 1 + (rates[0]?.ppm ?? 0) / 1e6 }];
  for (const { at, ppm } of rates.slice(1)) {
    const last = pieces.at(-1)!;
    pieces.push({ host: at, guest: last.guest + (at - last.host) / last.rate, rate: 1 + ppm / 1e6 });
  }
  // Without a drift, so that it stays simple.
  for (const [from, to] of paused) {
    const last = pieces.at(-1)!;
    pieces.push({ host: to, guest: last.guest + (from - last.host), rate: 1 });
  }
  const pieceOf = (isPast: (piece: (typeof pieces)[0]) => boolean) => pieces.findLast(isPast) ?? pieces[0]!;
  return {
    toGuest(host) {
      const piece = pieceOf((one) => one.host <= host);
      return piece.guest + (host - piece.host) / piece.rate;
    },
    offsetAt(guest) {
      const piece = pieceOf((one) => one.guest <= guest);
      return piece.host - piece.guest + (guest - piece.guest) * (piece.rate - 1);
    },
  };
}

function guestOf(events: readonly { cpu: number; time: number }[]): Schedule["guest"] {
  let index = -1;
  return {
    count: events.length,
    next: () => ++index < events.length,
    get cpu() {
      return events[index]?.cpu ?? 0;
    },
    get time() {
      return events[index]?.time ?? 0;
    },
  };
}

/** Slices come as they end, as in a recording. */
function hostOf(slices: readonly (readonly [number, number])[][], end: number): HostSlices {
  const vcpus = slices.map(() => new VcpuSlices());
  const steps = slices
    .flatMap((list, vcpu) => list.flatMap(([from, to]) => [[from, vcpu, true] as const, [to, vcpu, false] as const]))
    .sort(([a], [b]) => a - b);
  let next = 0;
  return {
    vcpus,
    begin: 0,
    end,
    readTo(time) {
      for (let step = steps[next]; step !== undefined && step[0] <= time; step = steps[++next]) {
        const [at, vcpu, begins] = step;
        if (begins) vcpus[vcpu]?.begin(at);
        else vcpus[vcpu]?.end(at, 0);
      }
    },
  };
}

/** mulberry32: the same numbers for the same seed. */
export function mulberry(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
