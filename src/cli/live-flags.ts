/** Flags of the commands that watch a guest. */
import { AgentError } from "../base/errors.ts";
import type { GuestDirectory } from "../host/guest-directory.ts";
import { hostLimits } from "../host/limits.ts";
import type { TraceConfig } from "../host/run/trace-config.ts";
import type { Flags } from "./command.ts";
import { chooseGuests } from "./guest-flags.ts";
import { traceFlags } from "./trace-flags.ts";

export const waitFlag = {
  wait: {
    type: "string",
    valueHint: "SECONDS",
    description: `How long to wait for the guest's agent (${hostLimits.helloWaitMs / 1000})`,
  },
} as const satisfies Flags;

export const liveFlags = {
  ...traceFlags,
  ...waitFlag,
  dir: { type: "string", valueHint: "DIR", description: "The guest's directory, instead of /run/virtio-trace/GUEST" },
  local: { type: "boolean", description: "This machine itself, in a tracefs instance of its own" },
  "no-filter": noFilterFlag("--local"),
} as const satisfies Flags;

/** `options`: with which this machine is among what is followed or recorded. */
export function noFilterFlag(options: string) {
  return {
    type: "boolean",
    description: `With ${options}: events of trace-agent itself, too, which are left out but for sched_switch and sched_waking`,
  } as const;
}

/** The guests that are followed; undefined for this machine. */
export function chooseLive(
  choice: { local: boolean; all: boolean; dir: string | undefined; "no-filter": boolean },
  names: readonly string[],
  { events, tracer }: TraceConfig,
): GuestDirectory[] | undefined {
  if (!choice.local) {
    requireLocal(choice["no-filter"]);
    if (names.length === 0 && !choice.all)
      throw new AgentError("usage", "GUEST is missing", { remedy: "name one, or follow this machine with --local" });
    return chooseGuests(names, choice.all, choice.dir);
  }
  const [guest] = names;
  if (guest !== undefined || choice.all)
    throw new AgentError(
      "usage",
      `--local follows no guest, ${guest === undefined ? "--all" : `"${guest}"`} is one too many`,
    );
  if (events.every(({ exclude }) => exclude === true) && tracer === undefined) {
    throw new AgentError("usage", "--local needs an event: its tracefs instance has none enabled", {
      remedy: "as in --local -e sched",
    });
  }
  return undefined;
}

/** In a guest there is nothing of this program but its agent. */
export function requireLocal(keepSelf: boolean): void {
  if (keepSelf)
    throw new AgentError("usage", "--no-filter is for --local and --host: a guest's recording leaves nothing out", {
      remedy: "leave it out",
    });
}

export function readWait(text: string | undefined): number | undefined {
  const seconds = readSeconds(text);
  return seconds === undefined ? undefined : seconds * 1000;
}

export function readSeconds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (!/^\d{1,7}(\.\d{1,3})?$/.test(text) || seconds === 0)
    throw new AgentError("usage", `cannot read duration "${text}"`, { remedy: "give seconds, as in 5 or 0.5" });
  return seconds;
}
