/** The events of a guest, and what the user's words mean among them. */
import { AgentError } from "../../base/errors.ts";
import type { Metadata } from "../../events/trace-metadata.ts";
import { chooseEvents, type EventChoice, type EventWord, type Missing } from "../../tracefs/event-choice.ts";
import { type Plugins, plugins } from "../../tracefs/event-list.ts";
import { readMetadata } from "../../trace-dat/spool/metadata-read.ts";
import { guestTitle } from "../guest-directory.ts";
import { requireWord } from "./trace-config.ts";
import type { Session } from "./session.ts";

/** What an event's name may hold. */
const eventName = /^[\w-]+:[\w.-]+$/;

/** Asks the agent for its list. Undefined where it does not know the order: then its formats tell (`knownGuestEvents`). */
export async function listGuestEvents(session: Session): Promise<Plugins | undefined> {
  if (!session.knows("sections")) return undefined;
  const { body } = await session.request({ order: "metadata", sections: ["available_events"] }, "sections");
  const { availableEvents } = readMetadata(body, guestTitle(session.guest), "io");
  return availableEvents === undefined ? undefined : namesIn(availableEvents.split("\n"));
}

/** Undefined if there are none or the reply cannot be read. */
export function knownGuestEvents(body: Uint8Array): Plugins | undefined {
  let metadata: Metadata;
  try {
    metadata = readMetadata(body, "the guest", "io", (file) => file.endsWith("/format"));
  } catch (error) {
    if (error instanceof AgentError) return undefined;
    throw error;
  }
  // ftrace's own entries cannot be enabled as events.
  const ofEvents = metadata.formats.filter(({ system }) => system !== "ftrace");
  return namesIn(ofEvents.map(({ system, event }) => `${system}:${event}`));
}

/** Undefined `known`: the guest itself finds what there is, and no filter nor trigger can be set. */
export function chooseGuestEvents(
  session: Session,
  words: readonly EventWord[],
  known: Plugins | undefined,
  missing?: Missing,
): EventChoice {
  const choice =
    known === undefined ? unchecked(session, words) : chooseEvents(words, known, guestTitle(session.guest), missing);
  if (choice.filters.length > 0) requireWord(session, "filter", "-f");
  if (choice.triggers.length > 0) requireWord(session, "trigger", "-R");
  return choice;
}

/** As set_event takes them, where nobody can say what they mean. */
export function enabledWords(words: readonly EventWord[], exclude = false): string[] {
  return words.filter((one) => (one.exclude === true) === exclude).map(({ word }) => (word === "all" ? "*:*" : word));
}

function unchecked(session: Session, words: readonly EventWord[]): EventChoice {
  const special = words.some(({ filter, triggers = [] }) => filter !== undefined || triggers.length > 0);
  if (special)
    throw new AgentError("unavailable", `${guestTitle(session.guest)} does not tell its events: -f and -R need them`);
  const enabled = enabledWords(words);
  const list = [...enabled, ...enabledWords(words, true).map((word) => `!${word}`)];
  return { enabled: enabled.length === 0 ? undefined : list, filters: [], triggers: [] };
}

function namesIn(names: readonly string[]): Plugins | undefined {
  const sound = names.filter((name) => eventName.test(name));
  return sound.length === 0 ? undefined : plugins(sound);
}
