/** `trace-agent top GUEST...`: what the CPUs and tasks of guests do now. */
import { runTop } from "../host/live/run-top.ts";
import { withLocalGuest } from "../host/local.ts";
import { type Flags, makeCommand } from "./command.ts";
import { allFlag, guestsPositional } from "./guest-flags.ts";
import { chooseLive, liveFlags, readSeconds, readWait } from "./live-flags.ts";
import { outputFlags, readOutput } from "./output-flags.ts";
import { readWanted, requireTasks, traceGroups } from "./trace-flags.ts";

/** Events from which utilisation, running tasks and wake-up latencies are computed. */
const schedulerEvents = [
  { word: "sched:sched_switch" },
  { word: "sched:sched_waking", optional: true },
  { word: "sched:sched_wakeup_new", optional: true },
];

const flags = {
  ...liveFlags,
  event: { ...liveFlags.event, description: "A further event, system or glob whose rate is shown" },
  ...allFlag,
  ...outputFlags,
  output: { ...outputFlags.output, description: "Where the key r records the last seconds (top.dat)" },
  duration: { type: "string", short: "d", valueHint: "SECONDS", description: "Stop after this time" },
} as const satisfies Flags;

export const topCommand = makeCommand({
  name: "top",
  description:
    "Watch what the CPUs of guests run, their events and busiest tasks; a line a second of each where there is no terminal",
  flags,
  groups: {
    ...traceGroups,
    "Which machine": ["all", "local", "dir", "wait"],
    "What the key r records": Object.keys(outputFlags),
  },
  examples: [
    { what: "A guest, with the rate of its interrupts", line: "trace-agent top vm1 -e irq" },
    { what: "All guests of this machine", line: "trace-agent top --all" },
    { what: "This machine", line: "trace-agent top --local" },
  ],
  positionals: [guestsPositional],
  run: async (values, names, order) => {
    requireTasks(values);
    const wanted = readWanted(values, order, schedulerEvents);
    const guests = chooseLive(values, names, wanted);
    const options = {
      wanted,
      seconds: readSeconds(values.duration),
      waitMs: readWait(values.wait),
      output: readOutput(values, "top.dat"),
      named: values.all || (guests?.length ?? 1) > 1,
      required: new Set((guests ?? []).slice(0, names.length).map(({ guest }) => guest)),
    };
    if (guests === undefined)
      await withLocalGuest({ keepSelf: values["no-filter"] }, (local) => runTop([local], options));
    else await runTop(guests, options);
  },
});
