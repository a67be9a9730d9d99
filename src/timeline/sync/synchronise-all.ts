/**
 * Several guests of one host. Its recording is read once for all of them: whoever needs the least of it goes on first, so that of the
 * host no more is held than one window of each guest needs.
 */
import type { TraceSource } from "../../trace-dat/trace-source.ts";
import { timelineLimits } from "../limits.ts";
import { HostSwitches } from "./host-slices.ts";
import { type GuestToPlace, type Synchronisation, synchroniseInSteps } from "./synchronise.ts";

/** `error`: the guest's recording, or the host's, cannot be read. */
export type Outcome = { readonly placed: Synchronisation } | { readonly error: unknown };

type Running = { readonly index: number; readonly steps: Generator<number, Synchronisation>; needed: number };

/** Yields now and then. The outcomes are in the order of the guests. */
export function* synchroniseAll(host: TraceSource, guests: readonly GuestToPlace[]): Generator<void, Outcome[]> {
  const outcomes: Outcome[] = [];
  for (let first = 0; first < guests.length; first += timelineLimits.syncGuestsAtOnce)
    outcomes.push(...(yield* together(host, guests.slice(first, first + timelineLimits.syncGuestsAtOnce))));
  return outcomes;
}

function* together(host: TraceSource, guests: readonly GuestToPlace[]): Generator<void, Outcome[]> {
  const outcomes: Outcome[] = [];
  const running = new Set<Running>();
  const advance = (one: Running): void => {
    try {
      const step = one.steps.next();
      if (step.done !== true) {
        one.needed = step.value;
        return;
      }
      outcomes[one.index] = { placed: step.value };
    } catch (error) {
      outcomes[one.index] = { error };
    }
    running.delete(one);
  };
  try {
    const switches = new HostSwitches(host);
    for (const [index, guest] of guests.entries())
      running.add({ index, steps: synchroniseInSteps(switches, guest), needed: 0 });
    // Each has asked for its slices before any is read.
    for (const one of running) advance(one);
    while (running.size > 0) {
      yield;
      const next = [...running].reduce((least, one) => (one.needed < least.needed ? one : least));
      switches.readTo(next.needed);
      advance(next);
    }
  } catch (error) {
    for (const index of guests.keys()) outcomes[index] ??= { error };
  }
  return outcomes;
}
