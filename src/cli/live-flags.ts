/** Flags of the commands that follow a guest, and their reading. */
import { AgentError } from "../errors.ts";
import type { Wanted } from "../host/guest-settings.ts";
import type { Flags } from "./command.ts";

export const liveFlags = {
  event: { type: "string", short: "e", valueHint: "EVENT", multiple: true, description: 'Event, system or glob to enable, as in "sched" or "irq:*"; "all"' },
  "buffer-size": { type: "string", short: "b", valueHint: "KB", description: "Size of each CPU's ring buffer in the guest" },
  dir: { type: "string", valueHint: "DIR", description: "The guest's directory, instead of /run/virtio-trace/GUEST" },
  local: { type: "boolean", description: "This machine itself, in a tracefs instance of its own" },
} as const satisfies Flags;

export function readWanted(values: { event: string[]; "buffer-size": string | undefined }): Wanted {
  const events = values.event.map((event) => (event === "all" ? "*:*" : event));
  for (const event of events) {
    if (!/^[\w*?:[\]-]+$/.test(event)) throw new AgentError("usage", `cannot use event "${event}"`, { remedy: "write it as sched, sched:sched_switch or irq:*" });
  }
  const kilobytes = values["buffer-size"];
  if (kilobytes !== undefined && !/^[1-9]\d{0,8}$/.test(kilobytes)) {
    throw new AgentError("usage", `cannot read buffer size "${kilobytes}"`, { remedy: "give kilobytes per CPU, as in 4096" });
  }
  return { events, bufferKb: kilobytes === undefined ? undefined : Number(kilobytes), clock: undefined };
}

/** The guest's name; undefined for this machine itself. */
export function chooseGuest({ local }: { local: boolean }, guest: string | undefined, { events }: Wanted): string | undefined {
  if (!local) {
    if (guest === undefined) throw new AgentError("usage", "GUEST is missing", { remedy: "name one, or follow this machine with --local" });
    return guest;
  }
  if (guest !== undefined) throw new AgentError("usage", `--local follows no guest, "${guest}" is one too many`);
  if (events.length === 0) {
    throw new AgentError("usage", "--local needs an event: its tracefs instance has none enabled", { remedy: "as in --local -e sched" });
  }
  return undefined;
}

export function readSeconds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (!/^\d{1,7}(\.\d{1,3})?$/.test(text) || seconds === 0) throw new AgentError("usage", `cannot read duration "${text}"`, { remedy: "give seconds, as in 5 or 0.5" });
  return seconds;
}
