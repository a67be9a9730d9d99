/** A made host and its guest as they are opened, the guest on the host's clock. */
import type { GuestMap, TraceMetadata } from "../../../src/events/trace-metadata.ts";
import type { TraceSource } from "../../../src/trace-dat/trace-source.ts";
import { type MadeSched, madeMachine } from "../../support/made-machine.ts";
import { vcpuTasks } from "../../support/made-vcpus.ts";

export const hostEpoch = 7_000_000_000_000n;
export const guestEpoch = 300_000_000_000n;
export const [hostId, guestId] = [11n, 22n];
export const timeShift = shiftedBy(0n);
export const guests = [{ name: "vm1", traceId: guestId, tasks: vcpuTasks }];

/** The true distance of the clocks, and so many ns more. */
export function shiftedBy(error: bigint): NonNullable<TraceMetadata["timeShift"]> {
  const offset = { time: guestEpoch, offset: hostEpoch - guestEpoch + error, scaling: 1n, fractionBits: 0n };
  return { hostTraceId: hostId, interpolated: true, samples: [[offset], [offset]] };
}

export type Opened = { machine: string; source: TraceSource };

export function openedHost(events: readonly MadeSched[], ran: readonly GuestMap[] = guests): Opened {
  return { machine: "host", source: madeMachine(events, { epoch: hostEpoch, traceId: hostId, guests: ran }) };
}

export function openedGuest(
  events: readonly MadeSched[],
  more: Parameters<typeof madeMachine>[1] = { traceId: guestId, timeShift },
): Opened {
  return { machine: "vm1", source: madeMachine(events, { epoch: guestEpoch, ...more }) };
}
