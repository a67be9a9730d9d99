/** Where the tables of each recording lie: which date, host, guest and session it is of, by what is known of it. */
import { AgentError } from "../../base/errors.ts";
import type { RecordedPart } from "../../trace-dat/parts.ts";
import { checkNames, type GivenNames, recordedNames } from "../recorded-names.ts";
import { isMain } from "../vcpus/guest-parts.ts";
import type { RecordingPlan } from "./recording-tables.ts";
import { UtcOffsets } from "./utc-offsets.ts";

/** Throws a usage error for names that do not fit what is exported. */
export function planTables(parts: readonly RecordedPart[], names: GivenNames): RecordingPlan[] {
  checkNames(parts, names);
  const utc = new UtcOffsets(parts);
  const plans = parts.map((part) => ({
    part,
    isMain: isMain(part, parts),
    utcOf: (epoch: bigint) => utc.of(part, epoch),
    place: { ...recordedNames(part, parts, names), buffer: part.buffer },
  }));
  refuseTwins(plans);
  return plans;
}

/** Two recordings of one name would replace each other. */
function refuseTwins(plans: readonly RecordingPlan[]): void {
  const seen = new Set<string>();
  for (const { place } of plans) {
    const { date, host, guest, session, segment, buffer } = place;
    const key = JSON.stringify([date, host, guest, session, segment, buffer]);
    if (seen.has(key))
      throw new AgentError("usage", `cannot export two recordings of guest "${guest}" in one session`, {
        remedy: "export them one after the other, with --guest-name",
      });
    seen.add(key);
  }
}
