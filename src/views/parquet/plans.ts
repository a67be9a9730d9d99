/** Where the tables of each recording lie: which date, host, guest and session it is of, by what is known of it. */
import { AgentError } from "../../base/errors.ts";
import type { RecordedPart } from "../../trace-dat/parts.ts";
import { checkNames, type GivenNames, recordedNames, utcMs } from "../recorded-names.ts";
import { isMain } from "../vcpus/guest-parts.ts";
import type { RecordingPlan } from "./recording-tables.ts";

/** Times from here on, in ns, are taken for UTC where a recording says that it moved them: 2001. */
const utcFrom = 1_000_000_000_000_000_000n;
const nsPerMs = 1_000_000n;

/** Throws a usage error for names that do not fit what is exported. */
export function planTables(parts: readonly RecordedPart[], names: GivenNames): RecordingPlan[] {
  checkNames(parts, names);
  const plans = parts.map((part) => planOf(part, parts, names));
  refuseTwins(plans);
  return plans;
}

function planOf(part: RecordedPart, parts: readonly RecordedPart[], given: GivenNames): RecordingPlan {
  const { about, source, buffer } = part;
  const started = utcMs(about?.started);
  return {
    part,
    isMain: isMain(part, parts),
    utcOf: (epoch) => {
      if (source.metadata.timeOffset !== undefined && epoch >= utcFrom) return { offset: 0n, from: "DATE" };
      return started === undefined ? undefined : { offset: BigInt(started) * nsPerMs - epoch, from: "start" };
    },
    place: { ...recordedNames(part, parts, given), buffer },
  };
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
