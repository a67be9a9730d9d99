/**
 * A place in the tracing directory that an order may change: how its value is read, written and restored.
 *
 * The notes of a session name a place by its id, "events" or "filter sched:sched_switch", so that a successor finds it.
 */
import { AgentError } from "../../base/errors.ts";
import { guestLimits } from "../limits.ts";

export type Place = {
  readonly id: string;
  /** The current value, in the form that `write` takes. Throws if it could not be restored exactly. */
  read: () => string;
  write: (value: string) => void;
  /** Writes a value of `read`; returns the parts that the kernel no longer has. */
  putBack: (value: string) => string[];
  /** Whether a value has a form that `read` may return: notes are checked before they are used. */
  accepts: (value: string) => boolean;
};

/** What an order does to a place. */
export type Change = {
  place: Place;
  /** Undefined: this order does not write it, but may change it indirectly. It is restored with the rest. */
  text: string | undefined;
  /** Written even if it seems to have that value already. */
  always?: boolean | undefined;
};

/** A place whose values are restored unchanged. */
export function plainPlace(place: Omit<Place, "putBack">): Place {
  const putBack = (value: string): string[] => {
    if (!stands(place, value)) place.write(value);
    return [];
  };
  return { ...place, putBack };
}

/** False also if the current value could not be restored: then it is ours. */
function stands(place: Pick<Place, "read">, value: string): boolean {
  try {
    return place.read() === value;
  } catch {
    return false;
  }
}

/** A host's text in a message: it may have thousands of words. */
export function shortened(text: string): string {
  return text.length <= guestLimits.quotedChars ? text : `${text.slice(0, guestLimits.quotedChars)}...`;
}

/** A value that this guest, or the protocol, does not accept. */
export function refusal(key: string, value: string, reason: string): AgentError {
  return new AgentError("usage", `cannot set ${key} to "${shortened(value)}": ${reason}`);
}

/** The current value stays, because it could not be restored. */
export function notPutBack(what: string, reason: string): AgentError {
  return new AgentError("unavailable", `cannot change ${what}: ${reason}, so it could not be restored`);
}
