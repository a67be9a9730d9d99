/** The status line on a terminal, updated in place. Without a terminal a long wait is logged once. */
import { log } from "../../base/log.ts";
import { TerminalLine } from "../../base/terminal-line.ts";
import { theGuest } from "../guest-directory.ts";
import { hostLimits } from "../limits.ts";
import type { RecordingWatch } from "./recording-watch.ts";
import type { Waiting } from "./session.ts";

export class StatusLine {
  readonly #line = new TerminalLine();
  #lastMs = 0;
  #lastBytes = 0;
  #told: string | undefined;
  #silenceTold = false;

  show(watch: RecordingWatch): void {
    if (!this.#line.isShown) return this.tellSilence(watch);
    const now = performance.now();
    const sinceMs = now - this.#lastMs;
    if (sinceMs < hostLimits.statusLineMs) return;
    const bytes = watch.session.pump.received;
    const rate = this.#lastMs === 0 ? 0 : ((bytes - this.#lastBytes) * 1000) / sinceMs;
    this.#lastMs = now;
    this.#lastBytes = bytes;
    this.#line.show(`${statusText(watch, bytes, rate)}  (Ctrl-C ends it)`);
  }

  /** Logs once that the guest does not answer, and once that it answers again. */
  tellSilence({ silentMs, session }: RecordingWatch): void {
    const who = theGuest(session.guest);
    if (silentMs > hostLimits.silenceToldMs && !this.#silenceTold) {
      this.#silenceTold = true;
      log.warn(`${who} has not answered for ${Math.round(silentMs / 1000)} s: it hangs, or its agent ended; going on`);
    } else if (silentMs === 0 && this.#silenceTold) {
      this.#silenceTold = false;
      log.info(`${who} answers again`);
    }
  }

  /** Shows what is waited for, once the wait has lasted a while. */
  showWait({ what, sinceMs, word }: Waiting): void {
    const now = performance.now();
    if (this.#line.isShown) {
      if (now - Math.max(sinceMs, this.#lastMs) < hostLimits.statusLineMs) return;
      this.#lastMs = now;
      this.#lastBytes = 0;
      const said = word === undefined ? "" : `, its progress: ${word}`;
      this.#line.show(`${what} for ${((now - sinceMs) / 1000).toFixed(0)} s${said}  (Ctrl-C ends it)`);
    } else if (now - sinceMs >= hostLimits.waitToldMs && this.#told !== what) {
      this.#told = what;
      log.info(`${what} ...`);
    }
  }

  clear(): void {
    this.#line.clear();
  }
}

export function statusText(watch: RecordingWatch, bytes: number, bytesPerSecond: number): string {
  const { eventsPerSecond, lost, behind, silentMs, session } = watch;
  const parts = [watch.elapsedText, `${megabytes(bytes)} MB`, `${megabytes(bytesPerSecond)} MB/s`];
  if (silentMs > hostLimits.statusSilentMs) {
    parts.push(`${theGuest(session.guest)} does not answer for ${Math.round(silentMs / 1000)} s`);
  } else {
    if (eventsPerSecond !== undefined) parts.push(`${Math.round(eventsPerSecond)} events/s`);
    if (behind.length > 0) parts.push(`CPUs behind: ${behind.join(",")}`);
  }
  if (lost !== undefined) parts.push(`${lost} lost`);
  return parts.join("  ");
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
