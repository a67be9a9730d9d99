/**
 * `trace-agent record --config FILE`, until it is ended. As a service (without a terminal) it reads the file anew on SIGHUP: where
 * that says something else the recording goes on as it says, in a new part; a file that cannot be used changes nothing.
 */
import { AgentError, textOf } from "../base/errors.ts";
import { EndRequest } from "../base/end-request.ts";
import { keepHangUp } from "../base/end-signals.ts";
import { log } from "../base/log.ts";
import { guestDirectory } from "../host/guest-directory.ts";
import type { RunningRecorder } from "../host/machines/running-recorder.ts";
import { hostName } from "../trace-dat/session/names.ts";
import type { OptionUse } from "./command.ts";
import { checkConfig, configuredWanted, optionKeys } from "./configured.ts";
import { readWait } from "./live-flags.ts";
import { readRecordConfig, type RecordConfig } from "./record-config.ts";
import { recordSeveral } from "./record-machines.ts";
import { readOptions, type RecordValues } from "./record-options.ts";

/** Of the command line. */
export type ConfiguredParts = {
  values: RecordValues;
  guests: readonly string[];
  order: readonly OptionUse[];
};

export async function recordConfigured(path: string, parts: ConfiguredParts): Promise<void> {
  const reloads = new Reloads(path, () => readChecked(path, parts));
  try {
    let config = readChecked(path, parts);
    /** What was recorded before the file was read anew. */
    let good: RecordConfig | undefined;
    for (;;) {
      let isRefused = false;
      try {
        await recordAs(config, parts, (recorder) => reloads.run(config, recorder));
      } catch (error) {
        if (!(error instanceof AgentError) || reloads.isEndAsked) throw error;
        // A recording that is only incomplete was one.
        isRefused = error.kind !== "io";
        if (isRefused ? good === undefined : reloads.next === undefined) throw error;
        log.error(`${error.message}${isRefused ? "; recording as before" : ""}`);
      }
      if (isRefused && good !== undefined) [config, good, reloads.next] = [good, undefined, undefined];
      else if (reloads.next === undefined || reloads.isEndAsked) return;
      else [config, good] = [reloads.next, config];
    }
  } finally {
    reloads.close();
  }
}

/** SIGHUP, where it is no hang-up of a terminal. */
class Reloads {
  /** What is to be recorded from now on. */
  next: RecordConfig | undefined;
  readonly #path: string;
  readonly #read: () => RecordConfig;
  readonly #isService = !process.stderr.isTTY && keepHangUp();
  readonly #end = new EndRequest();
  #current: RecordConfig | undefined;
  #recorder: RunningRecorder | undefined;
  readonly #onSignal = (): void => this.#reload();

  constructor(path: string, read: () => RecordConfig) {
    this.#path = path;
    this.#read = read;
    if (this.#isService) process.on("SIGHUP", this.#onSignal);
  }

  run(config: RecordConfig, recorder: RunningRecorder): void {
    this.#current = config;
    this.#recorder = recorder;
    if (this.next === config) this.next = undefined;
    // The file was changed again meanwhile.
    if (this.next !== undefined || this.isEndAsked) recorder.stop();
  }

  /** SIGTERM or SIGINT came, perhaps between two recordings. */
  get isEndAsked(): boolean {
    return this.#end.count > 0;
  }

  close(): void {
    process.off("SIGHUP", this.#onSignal);
    this.#end.close();
  }

  #reload(): void {
    try {
      const config = this.#read();
      if (Bun.deepEquals(config, this.next ?? this.#current))
        return log.info(`"${this.#path}" says the same as before`);
      this.next = config;
      log.info(`"${this.#path}" is read anew: the recording goes on as it says`);
      this.#recorder?.stop();
    } catch (error) {
      log.error(`${textOf(error)}; recording goes on as before`);
    }
  }
}

function readChecked(path: string, { values, order }: ConfiguredParts): RecordConfig {
  const config = readRecordConfig(path);
  checkConfig(path, config, (key, value) => readOptions({ ...values, [key]: value }, order));
  return config;
}

/** Machines that the command line names are recorded instead of those that the file names. */
async function recordAs(
  config: RecordConfig,
  { values, guests, order }: ConfiguredParts,
  running: (recorder: RunningRecorder) => void,
): Promise<void> {
  const machines = new Map(Object.entries(config.machines));
  const merged = { ...values };
  for (const key of optionKeys) merged[key] = values[key] ?? config[key];
  for (const key of ["all", "join", "past", "no-filter", "metrics-per-cpu"] as const)
    merged[key] = values[key] || config[key] === true;
  merged.on = values.on.length > 0 ? values.on : (config.on ?? []);
  merged.vcpus = values.vcpus.length > 0 ? values.vcpus : (config.vcpus ?? []);
  merged.host = values.host || config.host === true || (guests.length === 0 && machines.has(hostName));
  const named = guests.length > 0 ? guests : [...machines.keys()].filter((name) => name !== hostName || !merged.host);
  const directories = named.map((name) => guestDirectory(name, machines.get(name)?.dir));
  await recordSeveral(
    merged,
    directories,
    readOptions(merged, order),
    (name) => ({
      wanted: configuredWanted(values, order, [machines.get(name), config]),
      waitMs: readWait(values.wait ?? machines.get(name)?.wait ?? config.wait),
    }),
    running,
  );
}
