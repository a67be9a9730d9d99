/** `trace-agent top GUEST`: what a guest's CPUs and tasks do now. */
import { guestDirectory } from "../host/guest-directory.ts";
import { runTop } from "../host/live/run-top.ts";
import { withLocalGuest } from "../host/local.ts";
import { type Flags, makeCommand } from "./command.ts";
import { guestPositional } from "./guest-flags.ts";
import { chooseGuest, liveFlags, readSeconds, readWanted } from "./live-flags.ts";

/** What busyness, running tasks and wake-up latencies are told by. */
const schedulerEvents = ["sched:sched_switch", "sched:sched_waking", "sched:sched_wakeup_new"];

const flags = {
  ...liveFlags,
  event: { ...liveFlags.event, description: "A further event, system or glob whose rate is shown" },
  output: { type: "string", short: "o", valueHint: "FILE", description: "Where the key r records the last seconds (top.dat)" },
  duration: { type: "string", short: "d", valueHint: "SECONDS", description: "Stop after so long" },
} as const satisfies Flags;

export const topCommand = makeCommand({
  name: "top",
  description: "Watch what a guest's CPUs run, its events and its busiest tasks; a line a second where there is no terminal",
  flags,
  positionals: [{ ...guestPositional, required: false }],
  run: async (values, [guest]) => {
    const wanted = readWanted({ ...values, event: [...schedulerEvents, ...values.event] });
    const options = { wanted, seconds: readSeconds(values.duration), output: values.output ?? "top.dat" };
    const name = chooseGuest(values, guest, wanted);
    if (name === undefined) await withLocalGuest((local) => runTop(local, options));
    else await runTop(guestDirectory(name, values.dir), options);
  },
});
