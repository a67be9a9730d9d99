/**
 * How times become UTC where all that is known is when each recording was started. Its first event came then or later, and a quiet
 * machine's much later. So of the recordings of a session that began together and are on one clock, the host's, all have the offset
 * of the one whose first event came soonest: what happened at once in host and guest has one time in UTC, too.
 */
import { firstTimestamp } from "../../timeline/event-merge.ts";
import { MachineClock } from "../../timeline/machine-clock.ts";
import type { RecordedPart } from "../../trace-dat/parts.ts";
import { utcMs } from "../recorded-names.ts";
import { parquetLimits } from "./limits.ts";
import type { SessionFacts } from "./session-table.ts";

/** Times from here on, in ns, are taken for UTC where a recording says that it moved them: 2001. */
const utcFrom = 1_000_000_000_000_000_000n;
const nsPerMs = 1_000_000n;

export class UtcOffsets {
  readonly #parts: readonly RecordedPart[];
  /** By group what its recordings allow. */
  readonly #known = new Map<string, readonly bigint[]>();

  constructor(parts: readonly RecordedPart[]) {
    this.#parts = parts;
  }

  /** `epoch`: of its first event. Undefined where nothing is known. */
  of(part: RecordedPart, epoch: bigint): SessionFacts["utc"] {
    if (part.source.metadata.timeOffset !== undefined && epoch >= utcFrom) return { offset: 0n, from: "DATE" };
    const own = offsetBy(part, epoch);
    if (own === undefined) return undefined;
    const most = own + parquetLimits.quietNs;
    // Those that are far off are of another boot of the host.
    const offset = this.#groupOf(part).reduce((best, other) => (other > best && other <= most ? other : best), own);
    return { offset, from: "start" };
  }

  #groupOf(part: RecordedPart): readonly bigint[] {
    const key = groupKey(part);
    if (key === undefined) return [];
    let known = this.#known.get(key);
    if (known === undefined) {
      const others = this.#parts.filter((other) => other.about?.path !== part.about?.path && groupKey(other) === key);
      known = others.flatMap((other) => offsetBy(other, epochOf(other)) ?? []);
      const own = offsetBy(part, epochOf(part));
      this.#known.set(key, (known = own === undefined ? known : [...known, own]));
      for (const { source } of others) source.release?.();
    }
    return known;
  }
}

/** Undefined for a recording on a clock of its own. */
function groupKey({ about, source }: RecordedPart): string | undefined {
  if (about?.session === undefined) return undefined;
  const isOnHostClock = about.kind === "host" || source.metadata.timeShift !== undefined;
  return isOnHostClock ? JSON.stringify([about.session, about.segment]) : undefined;
}

function offsetBy({ about }: RecordedPart, epoch: bigint): bigint | undefined {
  const started = utcMs(about?.started);
  return started === undefined ? undefined : BigInt(started) * nsPerMs - epoch;
}

function epochOf({ source }: RecordedPart): bigint {
  const { metadata } = source;
  return new MachineClock(metadata, firstTimestamp(source.open(), metadata.layout)).epoch;
}
