/** Which bytes of a spooled stream are those of the recording, and what is amiss with a spool. */
import type { SubBufferLayout } from "../../ring-buffer/sub-buffer.ts";
import type { RecordedStream } from "../write/recording.ts";
import { endsBefore } from "./past.ts";
import type { SpoolEnd, SpoolSession } from "./spool-fields.ts";
import type { SpooledStream } from "./spool-files.ts";

export type Findings = {
  /** What the file lacks, though it holds what was recorded. */
  warnings: string[];
  /** Data, or descriptions of data, that could not be used. */
  damage: string[];
  /** Where what came is not what the guest tells of. */
  mismatches: string[];
  /** Some of what came is left out of the file, and perhaps wrongly. */
  spoolHasMore: boolean;
};

/**
 * What of a spooled stream belongs to the recording. Where more came than the guest tells of, what came first is of an earlier
 * session: but a guest that tells wrong totals must not have its events left out for it.
 */
export function recordedPart(
  { cpu, path, from, bytes, open, pieces }: SpooledStream,
  session: SpoolSession,
  end: SpoolEnd | undefined,
  layout: SubBufferLayout,
  findings: Findings,
): RecordedStream {
  const start = session.start?.streams.find((stream) => stream.cpu === cpu);
  const to = end?.stop?.streams.find((stream) => stream.cpu === cpu)?.bytes;
  const told = to === undefined ? undefined : to - (start?.bytes ?? 0);
  const whole = { cpu, path, open, pieces, skipBytes: from, bytes };
  let skipBytes = 0;
  if (told !== undefined && told < bytes && from === 0) {
    const surplus = bytes - Math.max(told, 0);
    const text = `CPU ${cpu}: ${surplus} bytes more came than the guest tells of`;
    if (start?.time === undefined) {
      skipBytes = surplus;
      findings.spoolHasMore = true;
      findings.mismatches.push(`${text}; left out are those that came first, as of an earlier session`);
    } else if (endsBefore({ ...whole, bytes: surplus }, layout, BigInt(start.time))) skipBytes = surplus;
    else findings.mismatches.push(`${text}; they are in the file`);
  }
  const rest = (bytes - skipBytes) % layout.sizeBytes;
  if (rest !== 0 && to !== undefined && end?.beyondSize === undefined)
    findings.damage.push(`CPU ${cpu}: the stream ends with ${rest} bytes of a sub-buffer, left out`);
  return { ...whole, skipBytes: from + skipBytes, bytes: bytes - skipBytes - rest };
}
