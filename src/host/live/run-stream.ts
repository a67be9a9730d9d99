/** `trace-agent stream`: prints the events of guests as lines while they happen. */
import { LiveOutput } from "../../base/live-output.ts";
import { log } from "../../base/log.ts";
import { ReaderGone } from "../../base/standard-output.ts";
import { timelineLimits } from "../../timeline/limits.ts";
import { liveHoldMs } from "../../timeline/live-events.ts";
import type { LiveForm } from "../../views/live-form.ts";
import { LiveText, totalsText } from "../../views/live-text.ts";
import type { GuestDirectory } from "../guest-directory.ts";
import { hostLimits } from "../limits.ts";
import type { TraceConfig } from "../run/trace-config.ts";
import { StatusLine } from "../run/status-line.ts";
import { StopSignals } from "../run/stop-signals.ts";
import type { LiveReader, LiveView } from "./follow.ts";
import { followSeveral } from "./follow-several.ts";

export type StreamOptions = {
  wanted: TraceConfig;
  form: LiveForm;
  seconds: number | undefined;
  waitMs: number | undefined;
  /** Lines tell their machine. */
  named: boolean;
  /** Guests that the user named. */
  required: ReadonlySet<string>;
  /** The current saved_cmdlines, if it can be read. */
  readNames?: () => string;
};

/** Runs until a signal, the end of the time, of the reader or of all guests. Throws an AgentError when guests ended it. */
export async function runStream(guests: readonly GuestDirectory[], options: StreamOptions): Promise<void> {
  const signals = new StopSignals();
  const line = new StatusLine();
  const out = new Output();
  const width = Math.max(...guests.map(({ guest }) => guest.length));
  const heldMax = Math.max(hostLimits.liveHeldMinBytes, timelineLimits.liveHeldBytes / guests.length);
  const viewOf = ({ guest }: GuestDirectory): LiveView => {
    const lines = new Lines(out);
    let title = "";
    const make = { ...options, machine: options.named ? guest.padStart(width) : "" };
    return {
      begin: ({ hello, trace, cpus, latencyMs }) => {
        line.clear();
        const write = (bytes: Uint8Array): void => out.output.writeThrough(bytes);
        lines.text = new LiveText(trace, cpus, { ...make, holdMs: liveHoldMs(latencyMs), write });
        title = `${guest} (${hello.hostname}, Linux ${hello.kernel})`;
      },
      started: (times) => {
        lines.text?.startAt(times);
        log.info(`following ${title}: Ctrl-C ends it`);
      },
      push: (cpu, bytes, nowMs) => lines.text?.push(cpu, bytes, nowMs),
      turn: (nowMs, watch) => {
        line.tellSilence(watch);
        return lines.turn((text) => text.release(nowMs));
      },
      finish: () => {
        const more = lines.turn((text) => text.finish()) || (!out.readerGone && out.output.pendingBytes > 0);
        if (!more && lines.text !== undefined && !out.readerGone)
          log.info(`${options.named ? `${guest}: ` : ""}${totalsText(lines.text.totals)}`);
        return more;
      },
      full: () => out.output.pendingBytes > 0 || lines.heldBytes > heldMax,
      overfull: () => lines.heldBytes > 2 * heldMax,
      stopAsked: () => (signals.asked === "no" && out.readerGone ? "stop" : signals.asked),
      showWait: (waiting) => line.showWait(waiting),
    };
  };
  const follow = {
    ...options,
    what: "the stream",
    command: "stream",
    until: { seconds: options.seconds },
    reader: out.reader,
  };
  try {
    await followSeveral(guests, follow, { viewOf, stop: () => signals.ask() });
    if (out.failure !== undefined) throw out.failure.cause;
  } finally {
    line.clear();
    out.output.close();
    signals.close();
  }
}

/** What all lines go to: a reader that may be slow or go away. */
class Output {
  readonly output = new LiveOutput();
  readerGone = false;
  /** Why the output takes no more, if not because its reader has gone. */
  failure: { cause: unknown } | undefined;

  /** The written lines were taken: the rest can follow. */
  get reader(): LiveReader {
    const fd = this.output.watchRoom();
    return fd === undefined ? undefined : { fd, serve: () => this.unlessGone(() => this.output.flush()) };
  }

  /** The guest's agent must still be stopped: an output that takes no more is an end like any other. */
  unlessGone(write: () => void): void {
    try {
      write();
    } catch (cause) {
      if (!(cause instanceof ReaderGone)) this.failure ??= { cause };
      this.readerGone = true;
    }
  }
}

/** Those of a guest. */
class Lines {
  text: LiveText | undefined;
  readonly #out: Output;

  constructor(out: Output) {
    this.#out = out;
  }

  get heldBytes(): number {
    return this.text?.heldBytes ?? 0;
  }

  /** Formats no line while earlier ones are not taken. True when more lines are due and can be written. */
  turn(make: (text: LiveText) => boolean): boolean {
    const { text } = this;
    const { output } = this.#out;
    if (text === undefined || this.#out.readerGone) return false;
    let more = false;
    this.#out.unlessGone(() => {
      output.flush();
      if (output.pendingBytes > 0) return;
      more = make(text);
      output.flush();
    });
    return more && output.pendingBytes === 0;
  }
}
