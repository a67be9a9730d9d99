/** Whether a machine can be watched for a trigger, by what its kernel tells of events. */
import { AgentError } from "../../base/errors.ts";
import { EventCatalog } from "../../events/event-catalog.ts";
import type { TraceMetadata } from "../../events/trace-metadata.ts";
import { EventFilter } from "../../timeline/filter/event-filter.ts";
import type { Trigger } from "./trigger.ts";
import { WakeupWatch } from "./wakeup-watch.ts";

/** Of the first trigger that none of the machines can be watched for: it would be waited for in vain. */
export function unwatched(triggers: readonly Trigger[], machines: readonly TraceMetadata[]): AgentError | undefined {
  const catalogs = machines.map((metadata) => new EventCatalog(metadata));
  for (const trigger of triggers) {
    const reasons = catalogs.map((catalog) => whyNot(trigger, catalog));
    const [first] = reasons;
    if (first !== undefined && !reasons.includes(undefined))
      return new AgentError("unavailable", `no machine can be watched for "${trigger.text}": ${first}`);
  }
  return undefined;
}

function whyNot(trigger: Trigger, catalog: EventCatalog): string | undefined {
  if (trigger.kind === "latency") {
    const watch = WakeupWatch.of(catalog, { mostNs: trigger.ns, latencyMs: 0 }, () => {});
    return typeof watch === "string" ? watch : undefined;
  }
  if (trigger.kind !== "event") return undefined;
  try {
    void new EventFilter(catalog, [trigger.filter]);
    return undefined;
  } catch (error) {
    if (error instanceof AgentError) return error.text;
    throw error;
  }
}
