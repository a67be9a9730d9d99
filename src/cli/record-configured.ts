/**
 * `trace-agent record --config FILE`, until it is ended. As a service (without a terminal) it reads the file anew on SIGHUP: where
 * that says something else of some machines these are recorded anew, and the others go on; where it says something else of the whole all
 * are, in a new part; a file that cannot be used changes nothing.
 */
import { AgentError, textOf } from "../base/errors.ts";
import { EndRequest } from "../base/end-request.ts";
import { keepHangUp } from "../base/end-signals.ts";
import { isTerminal } from "../base/is-terminal.ts";
import { log } from "../base/log.ts";
import { guestDirectory } from "../host/guest-directory.ts";
import type { MachinesPlan } from "../host/machines/machine-request.ts";
import type { RunningRecorder } from "../host/machines/running-recorder.ts";
import { hostName } from "../trace-dat/session/names.ts";
import type { OptionUse } from "./command.ts";
import { checkConfig, configuredWanted, optionKeys } from "./configured.ts";
import { readWait } from "./live-flags.ts";
import { readRecordConfig, type RecordConfig } from "./record-config.ts";
import { planSeveral, recordPlanned, type Several } from "./record-machines.ts";
import { readOptions, type RecordValues } from "./record-options.ts";

/** Of the command line. */
export type ConfiguredParts = {
  values: RecordValues;
  guests: readonly string[];
  order: readonly OptionUse[];
};

export async function recordConfigured(path: string, parts: ConfiguredParts): Promise<void> {
  const reloads = new Reloads(path, () => readConfigured(path, parts));
  try {
    let current = await readConfigured(path, parts);
    /** What was recorded before the file was read anew. */
    let good: Configured | undefined;
    for (;;) {
      let isRefused = false;
      try {
        await recordPlanned(current.several, (recorder, change) => reloads.run(current, recorder, change));
      } catch (error) {
        if (!(error instanceof AgentError) || reloads.isEndAsked) throw error;
        // A recording that is only incomplete was one.
        isRefused = error.kind !== "io";
        if (isRefused ? good === undefined : reloads.next === undefined) throw error;
        log.error(`${error.message}${isRefused ? "; recording as before" : ""}`);
      }
      if (isRefused && good !== undefined) [current, good, reloads.next] = [good, undefined, undefined];
      else if (reloads.next === undefined || reloads.isEndAsked) return;
      else [current, good] = [reloads.next, reloads.current];
    }
  } finally {
    reloads.close();
  }
}

/** SIGHUP, where it is no hang-up of a terminal. */
class Reloads {
  /** What is recorded, and what is to be recorded instead in a new session. */
  current: Configured | undefined;
  next: Configured | undefined;
  readonly #path: string;
  readonly #read: () => Promise<Configured>;
  readonly #isService = !isTerminal(2) && keepHangUp();
  readonly #end = new EndRequest();
  #recorder: RunningRecorder | undefined;
  #change: ((plan: MachinesPlan) => void) | undefined;
  /** One after the other. */
  #reading: Promise<void> = Promise.resolve();
  readonly #onSignal = (): void => void (this.#reading = this.#reading.then(() => this.#reload()));

  constructor(path: string, read: () => Promise<Configured>) {
    this.#path = path;
    this.#read = read;
    if (this.#isService) process.on("SIGHUP", this.#onSignal);
  }

  run(current: Configured, recorder: RunningRecorder, change: (plan: MachinesPlan) => void): void {
    this.current = current;
    this.#recorder = recorder;
    this.#change = change;
    if (this.next === current) this.next = undefined;
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

  async #reload(): Promise<void> {
    try {
      const read = await this.#read();
      const now = this.next ?? this.current;
      if (Bun.deepEquals(read.config, now?.config)) return log.info(`"${this.#path}" says the same as before`);
      if (this.next === undefined && now !== undefined && isOfMachines(now.several, read.several)) {
        this.#change?.(read.several.plan);
        this.current = read;
        return log.info(`"${this.#path}" is read anew: machines of which it says the same as before go on`);
      }
      this.next = read;
      log.info(`"${this.#path}" is read anew: the recording goes on as it says`);
      this.#recorder?.stop();
    } catch (error) {
      log.error(`${textOf(error)}; recording goes on as before`);
    }
  }
}

/** Whether they differ in nothing but what is said of machines. */
function isOfMachines(before: Several, after: Several): boolean {
  const { plan: _, ...whole } = before;
  const { plan: __, ...other } = after;
  return Bun.deepEquals(whole, other);
}

/** What the file says, and what that comes to with the command line. */
type Configured = { config: RecordConfig; several: Several };

async function readConfigured(path: string, parts: ConfiguredParts): Promise<Configured> {
  const { values, order } = parts;
  const file = readRecordConfig(path);
  const { config } = file;
  checkConfig(file, (said) => readOptions({ ...values, ...said }, order));
  try {
    return { config, several: await planConfigured(config, parts) };
  } catch (error) {
    // What is missing in it stands on no line.
    if (!(error instanceof AgentError) || error.kind !== "usage") throw error;
    const { message, remedy } = error;
    const details = { ...(remedy === undefined ? {} : { remedy }), cause: error };
    throw new AgentError("usage", `cannot use "${path}": ${message}`, details);
  }
}

/** Machines that the command line names are recorded instead of those that the file names. */
async function planConfigured(config: RecordConfig, { values, guests, order }: ConfiguredParts): Promise<Several> {
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
  return planSeveral(merged, directories, readOptions(merged, order), (name) => ({
    wanted: configuredWanted(values, order, [machines.get(name), config]),
    waitMs: readWait(values.wait ?? machines.get(name)?.wait ?? config.wait),
  }));
}
