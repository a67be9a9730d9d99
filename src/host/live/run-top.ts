/** `trace-agent top`: shows what guests do now, on a terminal or as one line a second of each. */
import { OutputPlace, type OutputRequest } from "../../base/output-place.ts";
import { timelineLimits } from "../../timeline/limits.ts";
import type { GuestDirectory } from "../guest-directory.ts";
import { hostLimits } from "../limits.ts";
import { StatusLine } from "../run/status-line.ts";
import { StopSignals } from "../run/stop-signals.ts";
import type { TraceConfig } from "../run/trace-config.ts";
import type { LiveView } from "./follow.ts";
import { followSeveral } from "./follow-several.ts";
import { Top } from "./top.ts";

export type TopOptions = {
  wanted: TraceConfig;
  seconds: number | undefined;
  waitMs: number | undefined;
  output: OutputRequest;
  /** Lines tell their machine. */
  named: boolean;
  /** Guests that the user named. */
  required: ReadonlySet<string>;
};

export async function runTop(guests: readonly GuestDirectory[], options: TopOptions): Promise<void> {
  // Report an unwritable output now, not when the key is pressed.
  OutputPlace.find(options.output.path, { ...options.output, action: "record to" }).close();
  const signals = new StopSignals();
  const line = new StatusLine();
  const top = new Top(guests, options, () => signals.ask());
  const heldMax = Math.max(hostLimits.liveHeldMinBytes, timelineLimits.liveHeldBytes / guests.length);
  const viewOf = (guest: GuestDirectory): LiveView => {
    const meter = top.meterOf(guest);
    return {
      begin: (live) => {
        line.clear();
        top.begin(meter, live);
      },
      started: (times) => meter.started(times),
      push: (cpu, bytes, nowMs) => meter.push(cpu, bytes, nowMs),
      turn: (nowMs, watch) => {
        if (!top.hasTerminal) line.tellSilence(watch);
        return top.turn(meter, nowMs, watch);
      },
      finish: () => false,
      full: () => meter.heldBytes > heldMax,
      overfull: () => meter.heldBytes > 2 * heldMax,
      stopAsked: () => (signals.asked === "no" && top.readerGone ? "stop" : signals.asked),
      showWait: (waiting) => {
        if (top.hasTerminal) top.wait(meter, waiting.what);
        else line.showWait(waiting);
      },
    };
  };
  const follow = { ...options, what: "top", command: "top", until: { seconds: options.seconds }, reader: undefined };
  try {
    await followSeveral(guests, follow, {
      viewOf,
      ended: (guest, why) => top.ended(guest, why),
      stop: () => signals.ask(),
    });
  } finally {
    line.clear();
    top.close();
    signals.close();
  }
}
