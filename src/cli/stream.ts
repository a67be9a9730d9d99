/** `trace-agent stream GUEST`: a guest's events as text while they happen. */
import { withLocalGuest } from "../host/local.ts";
import { guestDirectory } from "../host/guest-directory.ts";
import { runStream } from "../host/live/run-stream.ts";
import { findTracing, savedCommands } from "../kernel/tracefs.ts";
import { type Flags, makeCommand } from "./command.ts";
import { guestPositional } from "./guest-flags.ts";
import { chooseGuest, liveFlags, readWanted, readSeconds } from "./live-flags.ts";

const flags = {
  ...liveFlags,
  json: { type: "boolean", description: "One JSON object per line" },
  duration: { type: "string", short: "d", valueHint: "SECONDS", description: "Stop after so long" },
} as const satisfies Flags;

export const streamCommand = makeCommand({
  name: "stream",
  description: "Show a guest's events as they happen, until Ctrl-C",
  flags,
  positionals: [{ ...guestPositional, required: false }],
  run: async (values, [guest]) => {
    const wanted = readWanted(values);
    const options = { wanted, form: values.json ? "json" : "text", seconds: readSeconds(values.duration) } as const;
    const name = chooseGuest(values, guest, wanted);
    if (name === undefined) await withLocalGuest((local) => runStream(local, { ...options, readNames: () => savedCommands(findTracing()) }));
    else await runStream(guestDirectory(name, values.dir), options);
  },
});
