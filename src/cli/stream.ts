/** `trace-agent stream GUEST...`: events of guests as text while they happen. */
import { withLocalGuest } from "../host/local.ts";
import { runStream } from "../host/live/run-stream.ts";
import { findTracing, savedCommands } from "../tracefs/tracefs.ts";
import { type Flags, makeCommand } from "./command.ts";
import { allFlag, guestsPositional } from "./guest-flags.ts";
import { chooseLive, liveFlags, readSeconds, readWait } from "./live-flags.ts";
import { readWanted, requireTasks, traceGroups } from "./trace-flags.ts";

const flags = {
  ...liveFlags,
  ...allFlag,
  json: { type: "boolean", description: 'One JSON object per line; of several guests with "machine"' },
  duration: { type: "string", short: "d", valueHint: "SECONDS", description: "Stop after this time" },
} as const satisfies Flags;

export const streamCommand = makeCommand({
  name: "stream",
  description: "Show the events of guests as they happen, until Ctrl-C; of several with their names",
  flags,
  groups: { ...traceGroups, "Which machine": ["all", "local", "dir", "wait"] },
  examples: [
    { what: "Wake-ups in a guest", line: "trace-agent stream vm1 -e sched_wakeup" },
    { what: "Of this machine, as JSON, for 2 seconds", line: "trace-agent stream --local -e sched --json -d 2" },
    { what: "Of all guests, with their names", line: "trace-agent stream --all -e sched" },
  ],
  positionals: [guestsPositional],
  run: async (values, names, order) => {
    requireTasks(values);
    const wanted = readWanted(values, order);
    const guests = chooseLive(values, names, wanted);
    const options = {
      wanted,
      form: values.json ? "json" : "text",
      seconds: readSeconds(values.duration),
      waitMs: readWait(values.wait),
      named: values.all || (guests?.length ?? 1) > 1,
      required: new Set((guests ?? []).slice(0, names.length).map(({ guest }) => guest)),
    } as const;
    if (guests === undefined)
      await withLocalGuest({ keepSelf: values["no-filter"] }, (local) =>
        runStream([local], { ...options, readNames: () => savedCommands(findTracing()) }),
      );
    else await runStream(guests, options);
  },
});
