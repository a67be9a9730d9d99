/** `set events`: which events are enabled. */
import { AgentError } from "../../base/errors.ts";
import { availableEvents, enabledEventList, resolveEventList } from "../../tracefs/event-list.ts";
import { writeTracing } from "../../tracefs/tracefs.ts";
import { type Change, type Place, refusal, shortened } from "./place.ts";

const form = /^(?:!?[\w*?:-]+(?: +|$))*$/;

export function eventsPlace(directory: string): Place {
  return {
    id: "events",
    read: () => enabledEventList(directory),
    write: (value) => writeTracing(directory, "set_event", value),
    // Events that are gone with their module are left out and reported.
    putBack: (value) => {
      const { words, unknown } = resolveEventList(value, availableEvents(directory));
      writeTracing(directory, "set_event", words.join(" "));
      return unknown.length > 0 ? [`events that the kernel no longer has: ${unknown.join(" ")}`] : [];
    },
    accepts: (value) => form.test(value),
  };
}

export function planEvents(directory: string, value: string): Change[] {
  if (!form.test(value)) throw refusal("events", value, "not a valid list of events");
  const { words, unknown } = resolveEventList(value, availableEvents(directory));
  if (unknown.length > 0)
    throw new AgentError("usage", `cannot set events: this kernel has no event "${shortened(unknown.join(" "))}"`);
  return [{ place: eventsPlace(directory), text: words.join(" "), always: true }];
}
