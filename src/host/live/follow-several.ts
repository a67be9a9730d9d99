/**
 * Guests that are followed side by side, in one port loop, and start together. One that cannot be followed, or that ends early, is
 * told of at once and does not end the others.
 */
import { AgentError, messageOf } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import { counted } from "../../base/plural.ts";
import { findHostPorts, type GuestDirectory } from "../guest-directory.ts";
import { SharedEvents } from "../machines/shared-events.ts";
import { StartGate } from "../machines/start-gate.ts";
import { requireDescriptors } from "../run/attach.ts";
import { PortLoop, Served } from "../run/port-loop.ts";
import { followGuest, type FollowOptions, type LiveReader, type LiveView, tellEnd } from "./follow.ts";

export type FollowSeveralOptions = Omit<FollowOptions, "loop"> & {
  /** For messages: "the stream". */
  what: string;
  /** Names that the user gave: one of them that cannot be followed is an error in any case. */
  required: ReadonlySet<string>;
  /** An fd that is served beside the ports. */
  reader: LiveReader;
};

export type SeveralViews = {
  viewOf: (guest: GuestDirectory) => LiveView;
  /** A guest is not followed any more. `why`: undefined where that was asked for. */
  ended?: (guest: GuestDirectory, why: string | undefined) => void;
  /** A fault of ours: all are to end. */
  stop: () => void;
};

/** Throws when all have ended, and something was not as it should be. */
export async function followSeveral(
  guests: readonly GuestDirectory[],
  { what, required, reader, ...options }: FollowSeveralOptions,
  { viewOf, ended, stop }: SeveralViews,
): Promise<void> {
  const isOne = guests.length === 1;
  if (!isOne) requireDescriptors(counted(guests.length, "guest"), "follow", guests.map(portsOf));
  const loop = new PortLoop();
  const gate = new StartGate(
    guests.map(({ guest }) => guest),
    undefined,
  );
  const events = new SharedEvents();
  const failures: { guest: string; error: unknown }[] = [];
  const follow = async (guest: GuestDirectory): Promise<void> => {
    const name = guest.guest;
    const shared = {
      wanted: {
        ...options.wanted,
        missing: (words: readonly string[], error: AgentError) => events.missing(name, words, error),
      },
      mayStart: () => gate.mayStart(name),
      beforeStart: () => events.check(),
    };
    try {
      const all = isOne ? { ...options, loop } : { ...options, ...shared, loop };
      tellEnd(isOne ? what : `${what} of ${name}`, await followGuest(guest, all, viewOf(guest)));
      ended?.(guest, undefined);
    } catch (error) {
      failures.push({ guest: name, error });
      if (!(error instanceof AgentError)) stop();
      ended?.(guest, messageOf(error));
      if (!isOne && error !== events.error) log.warn(messageOf(error));
    } finally {
      gate.leave(name);
      events.leave(name);
    }
  };
  try {
    if (reader !== undefined) {
      const { fd, serve } = reader;
      loop.watch(fd, () => {
        serve();
        return Served.all;
      });
    }
    for (const { guest } of guests)
      events.join(
        guest,
        options.wanted.events.map(({ word }) => word),
      );
    await Promise.all(guests.map(follow));
  } finally {
    loop.close();
  }
  judge(failures, { what, required, count: guests.length });
}

function portsOf(guest: GuestDirectory): number {
  try {
    return findHostPorts(guest).data.length;
  } catch (error) {
    if (error instanceof AgentError) return 0;
    throw error;
  }
}

function judge(
  failures: readonly { guest: string; error: unknown }[],
  { what, required, count }: { what: string; required: ReadonlySet<string>; count: number },
): void {
  const [first] = failures.toSorted(
    (a, b) => Number(a.error instanceof AgentError) - Number(b.error instanceof AgentError),
  );
  if (first === undefined) return;
  if (count === 1 || !(first.error instanceof AgentError)) throw first.error;
  const isNoOne = failures.length === count;
  if (isNoOne && failures.every(({ error }) => error === first.error)) throw first.error;
  const missed = failures.filter(({ guest, error }) => isNoOne || required.has(guest) || isIo(error));
  if (missed.length === 0) return;
  const kind = isNoOne && !missed.some(({ error }) => isIo(error)) ? "unavailable" : "io";
  throw new AgentError(kind, `${what} is incomplete: ${missed.map(({ guest }) => guest).join(", ")}`, {
    remedy: "see the messages above",
  });
}

/** It was followed, and not to its end. */
function isIo(error: unknown): boolean {
  return error instanceof AgentError && error.kind === "io";
}
