/** The screen of `top` and its keys: all guests with a line per CPU, or one of them. */
import { messageOf } from "../../base/errors.ts";
import { isTerminal } from "../../base/is-terminal.ts";
import { LiveOutput } from "../../base/live-output.ts";
import { log } from "../../base/log.ts";
import { OutputPlace, type OutputRequest } from "../../base/output-place.ts";
import { counted } from "../../base/plural.ts";
import { ReaderGone } from "../../base/standard-output.ts";
import type { GuestDirectory } from "../guest-directory.ts";
import { hostLimits } from "../limits.ts";
import type { RecordingWatch } from "../run/recording-watch.ts";
import type { LiveGuest } from "./follow.ts";
import { GuestMeter } from "./guest-meter.ts";
import { Terminal } from "./terminal.ts";
import { overviewOf } from "./top-overview.ts";
import { lineOf, type ScreenLine, screenOf, type TaskOrder, taskOrders } from "./top-screen.ts";

export class Top {
  readerGone = false;
  readonly #meters: readonly GuestMeter[];
  readonly #file: OutputRequest;
  readonly #named: boolean;
  readonly #quit: () => void;
  readonly #output = new LiveOutput();
  #terminal: Terminal | undefined;
  #order: TaskOrder = "cpu";
  #paused = false;
  #message = "";
  #help = false;
  /** Index of the guest that is chosen; and whether it alone is shown. */
  #chosen = 0;
  #inOne: boolean;
  #drawnMs = 0;
  #changed = false;
  #saved = 0;

  constructor(
    guests: readonly GuestDirectory[],
    { output, named }: { output: OutputRequest; named: boolean },
    quit: () => void,
  ) {
    this.#meters = guests.map((guest) => new GuestMeter(guest, guests.length));
    this.#file = output;
    this.#named = named;
    this.#quit = quit;
    this.#inOne = guests.length === 1;
  }

  get hasTerminal(): boolean {
    return this.#terminal !== undefined;
  }

  meterOf(guest: GuestDirectory): GuestMeter {
    const meter = this.#meters.find((one) => one.guest === guest);
    if (meter === undefined) throw new Error("a guest of another top");
    return meter;
  }

  begin(meter: GuestMeter, live: LiveGuest): void {
    meter.begin(live);
    if (this.#terminal !== undefined || !isTerminal(1) || !isTerminal(0)) return;
    this.#terminal = new Terminal(
      this.#output,
      (key) => this.#key(key),
      () => (this.#changed = true),
    );
    // Log lines would overwrite the screen.
    log.pauseLogs();
  }

  wait(meter: GuestMeter, what: string): void {
    meter.wait(what);
    this.#show(performance.now());
  }

  ended(guest: GuestDirectory, why: string | undefined): void {
    const meter = this.meterOf(guest);
    meter.ended = true;
    meter.title = `${meter.name}  ${why ?? "ended"}`;
    this.#changed = true;
  }

  /** True when more events are to be counted. */
  turn(meter: GuestMeter, nowMs: number, watch: Pick<RecordingWatch, "silentMs" | "elapsedText">): boolean {
    const { more, measured } = meter.turn(nowMs, this.hasTerminal ? hostLimits.topRefreshMs : hostLimits.topLineMs);
    meter.silentMs = watch.silentMs;
    meter.elapsed = watch.elapsedText;
    if (measured !== undefined) {
      if (!this.#paused) meter.view = measured;
      if (this.hasTerminal) this.#changed = true;
      // Rates are known from the second on; a screen shows before that top is running.
      else if (meter.measurements > 1)
        this.#writeLine(this.#named ? `${meter.name}: ${lineOf(measured)}` : lineOf(measured));
    }
    this.#show(nowMs);
    return more;
  }

  close(): void {
    try {
      this.#terminal?.close();
    } finally {
      this.#output.close();
      if (this.#terminal !== undefined) log.resumeLogs();
    }
  }

  #show(nowMs: number): void {
    const terminal = this.#terminal;
    if (terminal === undefined || !this.#changed || nowMs - this.#drawnMs < hostLimits.topRedrawMs) return;
    const lines = this.#lines(terminal);
    if (lines === undefined) return;
    this.#changed = false;
    this.#drawnMs = nowMs;
    this.#unlessGone(() => {
      this.#output.flush();
      // A slow reader gets the next one instead.
      if (this.#output.pendingBytes === 0) terminal.show(lines);
    });
  }

  #lines({ columns, rows }: Terminal): ScreenLine[] | undefined {
    const state = { order: this.#order, paused: this.#paused, message: this.#message, help: this.#help };
    const meter = this.#meters[this.#chosen];
    if (!this.#inOne) return overviewOf(this.#meters, this.#chosen, state, columns, rows);
    if (meter?.view === undefined) return undefined;
    const { view, title, silentMs, elapsed } = meter;
    return screenOf(view, { ...state, title, silentMs, elapsed, several: this.#meters.length > 1 }, columns, rows);
  }

  #writeLine(text: string): void {
    this.#unlessGone(() => {
      this.#output.flush();
      // A slow reader gets the next line instead.
      if (this.#output.pendingBytes > 0) return;
      this.#output.write(Buffer.from(`${text}\n`));
      this.#output.flush();
    });
  }

  #unlessGone(write: () => void): void {
    try {
      write();
    } catch (error) {
      if (!(error instanceof ReaderGone)) throw error;
      this.readerGone = true;
    }
  }

  #key(key: string): void {
    this.#message = "";
    this.#changed = true;
    // Any key leaves the explanation of the keys.
    const isHelp = key === "h" || key === "?";
    this.#help = isHelp && !this.#help;
    if (isHelp) return;
    const last = this.#meters.length - 1;
    if (key === "q" || key === "\x03") this.#quit();
    else if (key === "p" || key === " ") this.#paused = !this.#paused;
    else if (key === "s") this.#order = taskOrders[(taskOrders.indexOf(this.#order) + 1) % taskOrders.length] ?? "cpu";
    else if (key === "r") this.#record();
    else if (key === "k" || key === "\x1b[A") this.#chosen = Math.max(0, this.#chosen - 1);
    else if (key === "j" || key === "\x1b[B") this.#chosen = Math.min(last, this.#chosen + 1);
    else if (key === "\r" || key === "\n") this.#inOne = true;
    else if (key === "a" || key === "\x1b") this.#inOne = last === 0;
  }

  /** Of the guest that is chosen. */
  #record(): void {
    const meter = this.#meters[this.#chosen];
    const first = this.#file.path;
    const path = this.#saved === 0 ? first : first.replace(/(\.[^./]*)?$/, `-${this.#saved}$1`);
    let place: OutputPlace | undefined;
    try {
      place = OutputPlace.find(path, { ...this.#file, action: "record to" });
      const events = meter?.save(place);
      if (events === undefined) return;
      this.#saved++;
      const of = this.#meters.length > 1 ? ` of ${meter?.name}` : "";
      this.#message = `wrote the last ${counted(events, "event")}${of} to ${path}`;
    } catch (error) {
      this.#message = messageOf(error);
    } finally {
      place?.close();
    }
  }
}
