/** `trace-agent list GUEST`: what can be recorded there. */
import { AgentError } from "../base/errors.ts";
import { print, writeStandardOutput } from "../base/standard-output.ts";
import { parseEventFormat } from "../events/event-format.ts";
import { guestDirectory } from "../host/guest-directory.ts";
import { withLocalGuest } from "../host/local.ts";
import { type Listing, type ListRequest, listGuest } from "../host/run/list-guest.ts";
import { type Flags, type FlagValues, makeCommand } from "./command.ts";
import { guestPositional } from "./guest-flags.ts";
import { liveFlags, readWait, waitFlag } from "./live-flags.ts";
import { readEvent } from "./trace-flags.ts";

const flags = {
  event: {
    type: "string",
    short: "e",
    valueHint: "EVENT",
    multiple: true,
    description: "Only these events: names, systems, globs",
  },
  fields: {
    type: "string",
    valueHint: "EVENT",
    multiple: true,
    description: "The format of an event: its fields, as filters name them",
  },
  clocks: { type: "boolean", description: "The trace clocks; the one in use in brackets" },
  tracers: { type: "boolean", description: "The tracers" },
  json: { type: "boolean", description: "One JSON object" },
  ...waitFlag,
  dir: liveFlags.dir,
  local: { ...liveFlags.local, description: "Of this machine itself, as a recording with --local has them" },
} as const satisfies Flags;

export const listCommand = makeCommand({
  name: "list",
  description: "List what can be recorded in a guest: events, their fields, trace clocks, tracers",
  flags,
  examples: [
    { what: "The events of a system", line: "trace-agent list vm1 -e 'sched:*'" },
    { what: "What a filter can name", line: "trace-agent list vm1 --fields sched_switch" },
  ],
  positionals: [{ ...guestPositional, required: false }],
  run: async (values, [guest]) => {
    const request = readRequest(values);
    const waitMs = readWait(values.wait);
    if (values.local === (guest !== undefined))
      throw new AgentError(
        "usage",
        values.local ? `--local lists no guest, "${guest}" is one too many` : "GUEST is missing",
        {
          remedy: "name a guest, or this machine with --local",
        },
      );
    if (guest !== undefined) return show(values, await listGuest(guestDirectory(guest, values.dir), request, waitMs));
    await withLocalGuest({ keepSelf: true }, async (local) => show(values, await listGuest(local, request, waitMs)));
  },
});

function readRequest({ event, fields, clocks, tracers }: FlagValues<typeof flags>): ListRequest {
  const words = (lists: readonly string[]): string[] => lists.flatMap((list) => list.split(",")).map(readEvent);
  const onlyOthers = event.length === 0 && (fields.length > 0 || clocks || tracers);
  return { events: onlyOthers ? undefined : words(event), fields: words(fields), machine: clocks || tracers };
}

function show({ json, clocks, tracers }: FlagValues<typeof flags>, listing: Listing): void {
  if (tracers && listing.tracers === undefined)
    throw new AgentError("unavailable", "the guest's agent does not tell its tracers", { remedy: "update it" });
  if (json) return print(`${JSON.stringify(asJson(listing, clocks, tracers))}\n`);
  const lines = [...(listing.events ?? [])];
  for (const { system, text } of listing.formats) lines.push(`system: ${system}`, text.trimEnd());
  if (clocks) lines.push(listing.clocks.map((clock) => (clock === listing.clock ? `[${clock}]` : clock)).join(" "));
  if (tracers) lines.push((listing.tracers ?? []).join(" "));
  writeStandardOutput(Buffer.from(lines.map((line) => `${line}\n`).join(""), "latin1"));
}

function asJson(listing: Listing, clocks: boolean, tracers: boolean): Record<string, unknown> {
  const { events, formats, clock } = listing;
  return {
    ...(events === undefined ? {} : { events }),
    ...(formats.length === 0 ? {} : { formats: formats.map(formatAsJson) }),
    ...(clocks ? { clocks: listing.clocks, clock } : {}),
    ...(tracers ? { tracers: listing.tracers } : {}),
  };
}

function formatAsJson({ event, system, text }: Listing["formats"][number]): Record<string, unknown> {
  const format = parseEventFormat(system, text);
  const fields = format?.fields.map(({ name, type, offset, size, signed }) => ({ name, type, offset, size, signed }));
  return { event, id: format?.id, fields, print: format?.print };
}
