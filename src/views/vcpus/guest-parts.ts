/** Which part of what is shown belongs to a guest that a host's recording names. */
import type { GuestMap } from "../../events/trace-metadata.ts";
import type { RecordedPart } from "../../trace-dat/parts.ts";

/**
 * Of the ring buffers of a machine the one that tells of its scheduling: the top-level one. Where it is not there, or empty, each
 * of them is taken for itself.
 */
export function isMain({ machine, buffer }: RecordedPart, parts: readonly RecordedPart[]): boolean {
  return buffer === "" || !parts.some((part) => part.machine === machine && part.buffer === "");
}

/**
 * Whether a part is the recording of a guest of this host: by its trace id, and by its name where either has none. Its times must
 * be the host's.
 */
export function isOfGuest(
  { machine, source: { metadata } }: RecordedPart,
  host: RecordedPart,
  guest: GuestMap,
): boolean {
  const { traceId = 0n, timeShift } = metadata;
  if (timeShift === undefined || machine === host.machine) return false;
  const { traceId: hostId = 0n } = host.source.metadata;
  if (timeShift.hostTraceId !== 0n && hostId !== 0n && timeShift.hostTraceId !== hostId) return false;
  return traceId !== 0n && guest.traceId !== 0n ? traceId === guest.traceId : machine === guest.name;
}
