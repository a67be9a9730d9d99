/** `trace-agent top`: what a guest does now, on a terminal or as a line a second. */
import { AgentError, messageOf } from "../../errors.ts";
import { LiveEvents } from "../../kernel/live-events.ts";
import { TraceStatistics } from "../../kernel/trace-statistics.ts";
import { limits } from "../../limits.ts";
import { log } from "../../log.ts";
import { ReaderGone, writeStandardOutput } from "../../standard-output.ts";
import type { GuestDirectory } from "../guest-directory.ts";
import type { Wanted } from "../guest-settings.ts";
import { StopSignals } from "../stop-signals.ts";
import { followGuest, type LiveGuest } from "./follow.ts";
import { RecentData } from "./recent.ts";
import { Terminal } from "./terminal.ts";
import { TopMeter, type TopView } from "./top-meter.ts";
import { lineOf, screenOf, type ScreenState, taskOrders } from "./top-screen.ts";

export type TopOptions = { wanted: Wanted; seconds: number | undefined; output: string };

export async function runTop(guest: GuestDirectory, options: TopOptions): Promise<void> {
  const signals = new StopSignals();
  const top = new Top(guest, options.output);
  const logLevel = log.level;
  try {
    const { trouble } = await followGuest(guest, options.wanted, { seconds: options.seconds }, {
      begin: (live) => top.begin(live),
      push: (cpu, bytes, nowMs) => top.push(cpu, bytes, nowMs),
      turn: (nowMs) => top.turn(nowMs),
      stopAsked: () => (signals.asked === "no" && top.ended ? "stop" : signals.asked),
    });
    if (trouble !== undefined) throw new AgentError("io", `top ended early: ${trouble}`);
  } finally {
    top.close();
    log.level = logLevel;
    signals.close();
  }
}

class Top {
  /** The user has quit, or nobody reads. */
  ended = false;
  readonly #guest: GuestDirectory;
  readonly #output: string;
  readonly #recent = new RecentData();
  readonly #state: ScreenState = { title: "", order: "cpu", paused: false, message: "" };
  #live: LiveGuest | undefined;
  #events: LiveEvents | undefined;
  #statistics: TraceStatistics | undefined;
  #meter: TopMeter | undefined;
  #terminal: Terminal | undefined;
  #view: TopView | undefined;
  #measuredMs = 0;
  #drawnMs = 0;
  #changed = false;
  #saved = 0;

  constructor(guest: GuestDirectory, output: string) {
    this.#guest = guest;
    this.#output = output;
  }

  begin(live: LiveGuest): void {
    const { hello, trace, cpus } = live;
    this.#live = live;
    const events = new LiveEvents(trace, cpus, { lost: (cpu, count) => this.#statistics?.lost(cpu, count), damaged: (cpu) => this.#statistics?.damaged(cpu) });
    if (!events.inNanoseconds) {
      throw new AgentError("unavailable", `cannot watch guest "${this.#guest.guest}": its trace clock "${trace.clock}" does not count ns`, { remedy: "use --clock local" });
    }
    const statistics = new TraceStatistics(events.catalog);
    for (const cpu of cpus) statistics.cpu(cpu);
    this.#events = events;
    this.#statistics = statistics;
    this.#meter = new TopMeter(statistics, (pid) => events.catalog.tasks.text(pid));
    this.#state.title = `${this.#guest.guest}  ${hello.hostname}  Linux ${hello.kernel}  ${cpus.length} CPUs`;
    if (!process.stdout.isTTY || !process.stdin.isTTY) return;
    this.#terminal = new Terminal((key) => this.#key(key), () => (this.#changed = true));
    // Lines of the log would go across the screen.
    log.level = -1;
  }

  push(cpu: number, bytes: Uint8Array<ArrayBuffer>, nowMs: number): void {
    this.#recent.push(cpu, bytes, nowMs);
    this.#events?.push(cpu, bytes, nowMs);
  }

  turn(nowMs: number): void {
    const [events, statistics, meter] = [this.#events, this.#statistics, this.#meter];
    if (events === undefined || statistics === undefined || meter === undefined) return;
    events.release(nowMs, (record, kind) => statistics.add(record, kind));
    if (nowMs - this.#measuredMs >= (this.#terminal === undefined ? limits.topLineMs : limits.topRefreshMs)) {
      const first = this.#measuredMs === 0;
      this.#measuredMs = nowMs;
      const shown = (events.guestNow(nowMs) ?? 0) - limits.liveHoldMs * 1e6;
      const view = meter.measure(Math.max(shown, statistics.last === -Infinity ? shown : statistics.last));
      if (!this.#state.paused) this.#view = view;
      // Rates are known from the second measurement on; a screen says meanwhile that it is there.
      this.#changed = !first || this.#terminal !== undefined;
    }
    if (!this.#changed || nowMs - this.#drawnMs < limits.topRedrawMs || this.#view === undefined) return;
    this.#changed = false;
    this.#drawnMs = nowMs;
    this.#draw(this.#view);
  }

  close(): void {
    this.#terminal?.close();
  }

  #draw(view: TopView): void {
    try {
      const terminal = this.#terminal;
      if (terminal === undefined) writeStandardOutput(Buffer.from(`${lineOf(view)}\n`, "latin1"));
      else terminal.show(screenOf(view, this.#state, terminal.columns, terminal.rows));
    } catch (error) {
      if (!(error instanceof ReaderGone)) throw error;
      this.ended = true;
    }
  }

  #key(key: string): void {
    const state = this.#state;
    state.message = "";
    this.#changed = true;
    if (key === "q" || key === "\x03") this.ended = true;
    else if (key === "p" || key === " ") state.paused = !state.paused;
    else if (key === "s") state.order = taskOrders[(taskOrders.indexOf(state.order) + 1) % taskOrders.length] ?? "cpu";
    else if (key === "r") this.#record();
  }

  #record(): void {
    if (this.#live === undefined) return;
    const path = this.#saved === 0 ? this.#output : this.#output.replace(/(\.[^./]*)?$/, `-${this.#saved}$1`);
    try {
      const names = new Map((this.#statistics?.busiest(Infinity) ?? []).map(({ pid, name }) => [pid, name]));
      const events = this.#recent.save(path, this.#live, names);
      this.#saved++;
      this.#state.message = `wrote the last ${events} events to ${path}`;
    } catch (error) {
      this.#state.message = messageOf(error);
    }
  }
}
