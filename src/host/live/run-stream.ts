/** `trace-agent stream`: the events of a guest as lines, while they happen. */
import { AgentError } from "../../errors.ts";
import type { LiveForm } from "../../kernel/live-form.ts";
import { LiveText, totalsText } from "../../kernel/live-text.ts";
import { log } from "../../log.ts";
import { ReaderGone, writeStandardOutput } from "../../standard-output.ts";
import type { GuestDirectory } from "../guest-directory.ts";
import type { Wanted } from "../guest-settings.ts";
import { StopSignals } from "../stop-signals.ts";
import { followGuest } from "./follow.ts";

export type StreamOptions = {
  wanted: Wanted;
  form: LiveForm;
  seconds: number | undefined;
  /** saved_cmdlines of now, where it can be had. */
  readNames?: () => string;
};

/** Until a signal, the end of the time, or of the reader. Throws an AgentError when the guest ended it. */
export async function runStream(guest: GuestDirectory, options: StreamOptions): Promise<void> {
  const signals = new StopSignals();
  let text: LiveText | undefined;
  let readerGone = false;
  const write = (step: () => void): void => {
    if (readerGone) return;
    try {
      step();
    } catch (error) {
      // The guest's agent is still to be stopped: that nobody reads is an end like any other.
      if (!(error instanceof ReaderGone)) throw error;
      readerGone = true;
    }
  };
  try {
    const { trouble, lostBytes } = await followGuest(guest, options.wanted, { seconds: options.seconds }, {
      begin: ({ hello, trace, cpus }) => {
        text = new LiveText(trace, cpus, { form: options.form, write: writeStandardOutput, readNames: options.readNames });
        log.info(`following ${guest.guest} (${hello.hostname}, Linux ${hello.kernel}): Ctrl-C ends it`);
      },
      push: (cpu, bytes, nowMs) => text?.push(cpu, bytes, nowMs),
      turn: (nowMs) => write(() => text?.release(nowMs)),
      stopAsked: () => (signals.asked === "no" && readerGone ? "stop" : signals.asked),
    });
    write(() => text?.finish());
    if (text !== undefined && !readerGone) log.info(totalsText(text.totals));
    if (lostBytes > 0) log.warn(`${lostBytes} bytes of events were lost on their way out of the guest`);
    if (trouble !== undefined) throw new AgentError("io", `the stream ended early: ${trouble}`);
  } finally {
    signals.close();
  }
}
