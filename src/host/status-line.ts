/** The one line that a recording shows on a terminal, renewed in place. Elsewhere nothing is shown. */
import { writeSync } from "node:fs";
import { limits } from "../limits.ts";
import type { RecordingWatch } from "./recording-watch.ts";

export class StatusLine {
  readonly #shown = process.stderr.isTTY;
  #lastMs = 0;
  #lastBytes = 0;
  #dirty = false;

  show(watch: RecordingWatch): void {
    if (!this.#shown) return;
    const now = performance.now();
    const sinceMs = now - this.#lastMs;
    if (sinceMs < limits.statusLineMs) return;
    const bytes = watch.session.pump.received;
    const rate = this.#lastMs === 0 ? 0 : ((bytes - this.#lastBytes) * 1000) / sinceMs;
    this.#lastMs = now;
    this.#lastBytes = bytes;
    this.#write(`\r\x1b[K${statusText(watch, bytes, rate).slice(0, (process.stderr.columns || 80) - 1)}`);
    this.#dirty = true;
  }

  clear(): void {
    if (this.#dirty) this.#write("\r\x1b[K");
    this.#dirty = false;
  }

  #write(text: string): void {
    try {
      writeSync(2, text);
    } catch {
      // A terminal that went away does not end a recording.
    }
  }
}

export function statusText(watch: RecordingWatch, bytes: number, bytesPerSecond: number): string {
  const { eventsPerSecond, lost, behind, silentMs } = watch;
  const parts = [`${(watch.elapsedMs / 1000).toFixed(1)} s`, `${megabytes(bytes)} MB`, `${megabytes(bytesPerSecond)} MB/s`];
  if (eventsPerSecond !== undefined) parts.push(`${Math.round(eventsPerSecond)} events/s`);
  if (lost !== undefined) parts.push(`${lost} lost`);
  if (behind.length > 0) parts.push(`CPUs behind: ${behind.join(",")}`);
  if (silentMs > limits.statusRepeatMs) parts.push(`guest silent for ${Math.round(silentMs / 1000)} s`);
  return `${parts.join("  ")}  (Ctrl-C ends it)`;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
