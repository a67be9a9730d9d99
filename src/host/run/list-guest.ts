/** What a guest has to be recorded: its events, their fields, its trace clocks and tracers. */
import { AgentError } from "../../base/errors.ts";
import { foreignAscii } from "../../base/foreign-text.ts";
import type { Metadata } from "../../events/trace-metadata.ts";
import { protocolLimits } from "../../protocol/limits.ts";
import type { Section } from "../../protocol/sections.ts";
import { chooseNames } from "../../tracefs/event-choice.ts";
import type { Plugins } from "../../tracefs/event-list.ts";
import { readMetadata } from "../../trace-dat/spool/metadata-read.ts";
import { findHostPorts, type GuestDirectory, guestTitle } from "../guest-directory.ts";
import { withControlPort } from "./attach.ts";
import { knownGuestEvents, listGuestEvents } from "./guest-events.ts";
import { lockGuest } from "./guest-lock.ts";
import { noAgentError } from "./no-agent.ts";
import type { Session } from "./session.ts";
import { StatusLine } from "./status-line.ts";

export type ListRequest = {
  /** Words as of -e; none: all events. Undefined: no events are asked for. */
  events: readonly string[] | undefined;
  /** Events whose formats are asked for. */
  fields: readonly string[];
  /** Trace clocks and tracers. */
  machine: boolean;
};

export type Listing = {
  events: readonly string[] | undefined;
  /** The text of the format file, by "system:event". */
  formats: readonly { event: string; system: string; text: string }[];
  clocks: readonly string[];
  /** The one in use. */
  clock: string | undefined;
  /** Undefined: the agent does not tell them. */
  tracers: readonly string[] | undefined;
};

export async function listGuest(
  guest: GuestDirectory,
  request: ListRequest,
  waitMs: number | undefined,
): Promise<Listing> {
  const { control } = findHostPorts(guest);
  const unlock = lockGuest(guest, "list");
  const line = new StatusLine();
  try {
    return await withControlPort(guest, control, async (session) => {
      session.onWait = (waiting) => line.showWait(waiting);
      if ((await session.hello(waitMs)) === undefined) throw noAgentError(guest);
      return await new Lister(session).list(request);
    });
  } finally {
    line.clear();
    unlock();
  }
}

class Lister {
  readonly #session: Session;
  /** Of an agent that knows no sections: everything. */
  #everything: Uint8Array | undefined;

  constructor(session: Session) {
    this.#session = session;
  }

  async list({ events, fields, machine }: ListRequest): Promise<Listing> {
    const title = guestTitle(this.#session.guest);
    const known = events === undefined && fields.length === 0 ? undefined : await this.#known();
    const named = known === undefined || events === undefined ? undefined : chooseNames(events, known, title);
    const ofFields = known === undefined || fields.length === 0 ? [] : chooseNames(fields, known, title);
    const systems = new Set(ofFields.map((name) => name.split(":", 1)[0] ?? ""));
    const wanted = [...systems].map((system): Section => `formats:${system}`);
    const metadata = machine || wanted.length > 0 ? await this.#metadata(wanted) : undefined;
    const exact = new Set(ofFields);
    const formats = (metadata?.formats ?? []).flatMap(({ system, event, text }) =>
      exact.has(`${system}:${event}`) ? [{ event: `${system}:${event}`, system, text }] : [],
    );
    return {
      events: named,
      formats,
      clocks: wordsIn(metadata?.traceClock).map((word) => word.replaceAll(/[[\]]/g, "")),
      clock: wordsIn(metadata?.traceClock)
        .find((word) => word.startsWith("["))
        ?.slice(1, -1),
      tracers: metadata?.availableTracers === undefined ? undefined : wordsIn(metadata.availableTracers),
    };
  }

  async #known(): Promise<Plugins> {
    const known = (await listGuestEvents(this.#session)) ?? knownGuestEvents(await this.#all());
    if (known !== undefined) return known;
    throw new AgentError("unavailable", `${guestTitle(this.#session.guest)} does not tell its events`);
  }

  async #metadata(formats: readonly Section[]): Promise<Metadata> {
    const title = guestTitle(this.#session.guest);
    if (!this.#session.knows("sections")) return readMetadata(await this.#all(), title, "io");
    // Formats bring the small files of the machine with them.
    const sections = formats.length > 0 ? formats : (["formats:ftrace"] satisfies Section[]);
    const { body } = await this.#session.request({ order: "metadata", sections }, "sections");
    return readMetadata(body, title, "io");
  }

  async #all(): Promise<Uint8Array> {
    this.#everything ??= (await this.#session.request({ order: "metadata", sections: [] }, "metadata")).body;
    return this.#everything;
  }
}

function wordsIn(text = ""): string[] {
  return foreignAscii(text.trim(), protocolLimits.orderLineBytes)
    .split(/[\s?]+/)
    .filter((word) => word !== "");
}
