/**
 * The metrics of a recorder in a file that node_exporter collects (--collector.textfile.directory), written anew every few seconds and at
 * the end. Everybody may read it: the collector is another user, and it holds names and counters only.
 */
import { AgentError } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import { OutputFile } from "../../base/output-file.ts";
import type { FileIdentity } from "../../base/output-place.ts";
import type { ControlStatus } from "../control/messages.ts";
import { hostLimits } from "../limits.ts";
import { metricsText } from "./metrics-text.ts";

export type MetricsOptions = { path: string; perCpu: boolean };

export class MetricsFile {
  readonly #options: MetricsOptions;
  /** Into which it does not go. */
  readonly #session: FileIdentity;
  readonly #status: () => ControlStatus;
  readonly #timer: NodeJS.Timeout;
  #failed = false;

  /** Writes it for the first time, and throws an AgentError where that cannot be done. */
  constructor(options: MetricsOptions, session: FileIdentity, status: () => ControlStatus) {
    this.#options = options;
    this.#session = session;
    this.#status = status;
    this.#write();
    this.#timer = setInterval(() => this.#writeQuietly(), hostLimits.metricsEveryMs).unref();
  }

  /** Once more, with what is true at the end. */
  close(): void {
    clearInterval(this.#timer);
    this.#writeQuietly();
  }

  #write(): void {
    const { path, perCpu } = this.#options;
    const file = new OutputFile(path, {
      action: "write metrics to",
      mode: 0o644,
      inputs: [this.#session],
      fleeting: true,
    });
    try {
      file.write(Buffer.from(metricsText(this.#status(), perCpu)));
      file.finish();
    } finally {
      file.abandon();
    }
  }

  /** A full disk is told once, and does not end a recording. */
  #writeQuietly(): void {
    try {
      this.#write();
      this.#failed = false;
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      if (!this.#failed) log.warn(`${error.text}; the recording goes on`);
      this.#failed = true;
    }
  }
}
