/** Refines what is known of a guest's offset by its events and its host's slices (refiner.ts), while both are read. */
import { type HostSlices, type KnownBefore, type Refinement, Refiner } from "./refiner.ts";

/** The guest's events in order of time. */
export type GuestTimes = {
  next(): boolean;
  readonly cpu: number;
  /** ns of the guest's clock. */
  readonly time: number;
};

export function refine(guest: GuestTimes, host: HostSlices, known: KnownBefore): Refinement {
  const steps = refineInSteps(guest, host, known);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    host.readTo(step.value);
  }
}

/** The same; before each window it yields up to which time of its clock the host must be known. */
export function* refineInSteps(
  guest: GuestTimes,
  host: Omit<HostSlices, "readTo">,
  known: KnownBefore,
): Generator<number, Refinement> {
  const refiner = new Refiner(host, known);
  while (guest.next()) {
    const { cpu, time } = guest;
    if (refiner.isFull(cpu, time)) {
      yield refiner.needed;
      refiner.close();
    }
    refiner.add(cpu, time);
  }
  if (refiner.holdsEvents) {
    yield refiner.needed;
    refiner.close();
  }
  return refiner.finish();
}
