/** How well a guest is placed, as session.json keeps it and users are told. */
import type { SessionOffset } from "../../trace-dat/session/session-file.ts";
import { timelineLimits } from "../limits.ts";
import { largest } from "./knots.ts";
import type { Step } from "./eras.ts";
import type { Synchronisation, TimelineWindow } from "./synchronise.ts";

export function toldOffset(found: Synchronisation): SessionOffset {
  const { samples, boundNs, method, events, inside, windows, parts, steps } = found;
  const all = windows.accepted + windows.refused;
  const reason =
    method === "causality" && windows.refused > 0
      ? `${windows.refused} of ${all} windows were not clear`
      : found.reason;
  return {
    ns: `${samples[0]?.offset ?? 0n}`,
    boundNs,
    method,
    samples: samples.length,
    events,
    inside,
    ...(reason === undefined ? {} : { reason }),
    ...toldSteps(steps),
    windows: parts.map(toldWindow),
  };
}

function toldWindow({ from, to, boundNs, method }: TimelineWindow): NonNullable<SessionOffset["windows"]>[number] {
  return { from: `${from}`, to: `${to}`, boundNs, method };
}

/** `steps`: in absolute times of the guest's clock. */
export function toldSteps(steps: readonly Step<bigint>[]): Pick<SessionOffset, "steps"> {
  if (steps.length === 0) return {};
  return {
    steps: steps
      .slice(0, timelineLimits.syncStepsTold)
      .map(({ from, to, by }) => ({ from: `${from}`, to: `${to}`, ns: `${Math.round(by)}` })),
  };
}

/** Of several recordings of a machine together, which is known no better than the worst of them. Undefined for none. */
export function joinOffsets(offsets: readonly SessionOffset[]): SessionOffset | undefined {
  const [first] = offsets;
  if (first === undefined || offsets.length === 1) return first;
  const worst = offsets.find(({ method }) => method !== "causality") ?? first;
  const sum = (of: (offset: SessionOffset) => number | undefined): number =>
    offsets.reduce((total, offset) => total + (of(offset) ?? 0), 0);
  const windows = offsets.flatMap((offset) => offset.windows ?? []);
  const steps = offsets.flatMap((offset) => offset.steps ?? []);
  return {
    ...worst,
    ...(first.ns === undefined ? {} : { ns: first.ns }),
    boundNs: largest(offsets.map(({ boundNs = 0 }) => boundNs)),
    samples: sum(({ samples }) => samples),
    events: sum(({ events }) => events),
    inside: sum(({ inside }) => inside),
    ...(steps.length === 0 ? {} : { steps }),
    ...(windows.length === 0 ? {} : { windows }),
  };
}
