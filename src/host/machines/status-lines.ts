/** A line per machine on a terminal, updated in place. Without a terminal only silences and long waits are logged. */
import { writeSync } from "node:fs";
import { isTerminal } from "../../base/is-terminal.ts";
import { log } from "../../base/log.ts";
import { lineIsCleared, lineIsShown } from "../../base/shown-lines.ts";
import { hostLimits } from "../limits.ts";
import { statusText } from "../run/status-line.ts";
import type { MachineRecording } from "./machine-recording.ts";

type Shown = { bytes: number; silent: boolean; told: string | undefined };

export class StatusLines {
  readonly #terminal = isTerminal(2);
  readonly #shown = new Map<string, Shown>();
  #lastMs = 0;
  /** Lines that stand on the terminal now. */
  #lines = 0;
  readonly #clear = (): void => {
    lineIsCleared(this.#clear);
    if (this.#lines > 0) this.#write(`\x1b[${this.#lines}A\x1b[J`);
    this.#lines = 0;
  };

  show(machines: readonly MachineRecording[]): void {
    const now = performance.now();
    const sinceMs = now - this.#lastMs;
    if (sinceMs < hostLimits.statusLineMs) return;
    this.#lastMs = now;
    const texts = machines.map((machine) => `${machine.name}: ${this.#text(machine, sinceMs)}`);
    if (!this.#terminal) return;
    const most = Math.max(1, (process.stderr.rows || 24) - 2);
    const shown =
      texts.length <= most ? texts : [...texts.slice(0, most - 1), `... and ${texts.length - most + 1} more`];
    const columns = (process.stderr.columns || 80) - 1;
    this.clear();
    this.#write([...shown, "(Ctrl-C ends it)"].map((text) => `${text.slice(0, columns)}\x1b[K\n`).join(""));
    this.#lines = shown.length + 1;
    lineIsShown(this.#clear);
  }

  /** At the end, and before other lines are written than those of the log. */
  clear(): void {
    this.#clear();
  }

  #text(machine: MachineRecording, sinceMs: number): string {
    const { name, watch, waiting, refused, ended } = machine;
    let shown = this.#shown.get(name);
    if (shown === undefined) this.#shown.set(name, (shown = { bytes: 0, silent: false, told: undefined }));
    if (refused !== undefined) return "not recorded";
    if (ended) return machine.trouble === undefined ? "stopped" : "ended early";
    if (watch !== undefined) {
      const { bytes } = machine;
      const rate = ((bytes - shown.bytes) * 1000) / sinceMs;
      shown.bytes = bytes;
      this.#tellSilence(name, watch.silentMs, shown);
      return statusText(watch, bytes, rate);
    }
    if (waiting === undefined) return "opening its ports";
    const waitedMs = performance.now() - waiting.sinceMs;
    if (!this.#terminal && waitedMs >= hostLimits.waitToldMs && shown.told !== waiting.what) {
      shown.told = waiting.what;
      log.info(`${name}: ${waiting.what} ...`);
    }
    return `${waiting.what} for ${Math.round(waitedMs / 1000)} s`;
  }

  #tellSilence(name: string, silentMs: number, shown: Shown): void {
    const silent = silentMs > hostLimits.silenceToldMs;
    if (silent === shown.silent || (!silent && silentMs > 0)) return;
    shown.silent = silent;
    if (silent) log.warn(`${name} has not answered for ${Math.round(silentMs / 1000)} s; going on`);
    else log.info(`${name} answers again`);
  }

  #write(text: string): void {
    try {
      writeSync(2, text);
    } catch {
      // A terminal that went away does not end a recording.
    }
  }
}
