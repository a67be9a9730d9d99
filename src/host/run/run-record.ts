/** `trace-agent record` and `recover` as a whole: spool, recording, file, summary. */
import { AgentError } from "../../base/errors.ts";
import { EndRequest } from "../../base/end-request.ts";
import { log } from "../../base/log.ts";
import { OutputPlace, type OutputRequest } from "../../base/output-place.ts";
import type { Metadata } from "../../events/trace-metadata.ts";
import { writeAll } from "../../base/standard-output.ts";
import type { GuestDirectory } from "../guest-directory.ts";
import type { Latency } from "./guest-settings.ts";
import type { CutOptions } from "../segments/make-cutter.ts";
import type { TraceConfig } from "./trace-config.ts";
import type { OwnBounds } from "../machines/own-bounds.ts";
import type { MetricsOptions } from "../metrics/metrics-file.ts";
import type { TriggerOptions } from "../triggers/trigger.ts";
import { makeRecording } from "./make-recording.ts";
import { record } from "./recorder.ts";
import type { RecordLimits } from "./recording-watch.ts";
import { Spool } from "../../trace-dat/spool/spool.ts";
import { StatusLine } from "./status-line.ts";
import { type StopAsked, StopSignals } from "./stop-signals.ts";
import { imbalanceRemedy } from "../../trace-dat/spool/balance.ts";
import type { Finished } from "../../trace-dat/spool/finish.ts";
import { recordedText } from "../../views/recorded-text.ts";
import type { TraceDatFormat } from "../../trace-dat/write/write.ts";

const [stdout, stderr] = [1, 2];

export type RecordOptions = {
  output: OutputRequest;
  format: TraceDatFormat;
  wanted: TraceConfig;
  until: RecordLimits;
  /** How long an event may wait in the guest; undefined: the agent's default. */
  latency: Latency | undefined;
  /** How long to wait for the first hello's answer. */
  waitMs: number | undefined;
  /** Keep what the ring buffer held before the start. */
  past: boolean;
  /** Segments or snapshots in a directory. */
  cut?: CutOptions | undefined;
  /** Metadata that the user provides. */
  metadata: Metadata | undefined;
  /** Of a recording into a directory. */
  metrics: MetricsOptions | undefined;
  bounds: OwnBounds | undefined;
  /** What a snapshot of a ring is taken for. */
  on: TriggerOptions | undefined;
  /** A command that is recorded: it has the terminal and standard output, and says when the recording ends. */
  command?: RecordedCommand;
};

export type RecordedCommand = {
  /** The guest records. */
  recording: () => void;
  stopAsked: () => StopAsked;
};

export async function runRecord(guest: GuestDirectory, options: RecordOptions): Promise<void> {
  const place = OutputPlace.find(options.output.path, {
    ...options.output,
    action: "record to",
    directoryRemedy: "give a file; into a directory go several machines, --join, --rotate and --last",
  });
  const signals = options.command === undefined ? new StopSignals() : undefined;
  try {
    const spool = Spool.create(place);
    const trouble = await fill(spool, guest, options, signals);
    const toStderr = options.command !== undefined;
    await finish({ ...options, action: "record", spool, place, trouble, remove: true, toStderr });
  } finally {
    signals?.close();
    place.close();
  }
}

/** Why the recording ended early, if not by request. */
async function fill(
  spool: Spool,
  guest: GuestDirectory,
  options: RecordOptions,
  signals: StopSignals | undefined,
): Promise<string | undefined> {
  const { command } = options;
  const line = new StatusLine();
  try {
    return await record(guest, {
      ...options,
      spool,
      stopAsked: () => signals?.asked ?? command?.stopAsked() ?? "no",
      started: () => command?.recording(),
      // The terminal is the command's.
      show: (watch) => (command === undefined ? line.show(watch) : line.tellSilence(watch)),
      showWait: (waiting) => {
        if (command === undefined) line.showWait(waiting);
      },
    });
  } catch (error) {
    line.clear();
    if (error instanceof AgentError && spool.streams().some(({ bytes }) => bytes > 0)) return error.text;
    spool.remove();
    throw error;
  } finally {
    line.clear();
  }
}

/** Makes the file from the spool of a killed recorder, or from one made by hand. */
export async function runRecover(
  path: string,
  output: OutputRequest,
  format: TraceDatFormat,
  metadata: Metadata | undefined,
  remove: boolean,
): Promise<void> {
  const spool = Spool.open(path);
  let place: OutputPlace | undefined;
  try {
    if (spool.streams().length === 0) {
      throw new AgentError("input", `cannot recover "${path}": it holds no stream`, {
        remedy: "name the FILE.spool directory of a recorder, or one with files cpu0, cpu1 and so on",
      });
    }
    place = OutputPlace.find(output.path, { ...output, inputs: [...output.inputs, spool.identity] });
  } catch (error) {
    spool.close();
    throw error;
  }
  try {
    await finish({ action: "recover", spool, place, format, metadata, trouble: undefined, remove });
  } finally {
    place.close();
  }
}

type FinishOptions = {
  action: "record" | "recover";
  spool: Spool;
  place: OutputPlace;
  format: TraceDatFormat;
  metadata: Metadata | undefined;
  /** Of a recording that was made just now: why it ended, if not by request. */
  trouble: string | undefined;
  /** Delete the spool when all of it is in the file. */
  remove: boolean;
  /** Standard output is somebody else's. */
  toStderr?: boolean;
};

/** Throws an AgentError where the file is not a whole recording; it is written all the same. */
async function finish(options: FinishOptions): Promise<void> {
  const { action, spool, place, remove, toStderr = false } = options;
  const again =
    action === "record" ? `trace-agent recover ${spool.path} -o ${place.path}` : "give the same command again";
  const end = new EndRequest();
  try {
    const { finished, missing } = await makeRecording(spool, place, { ...options, end, again });
    const [fd, where] = toStderr ? ([stderr, "stderr"] as const) : ([stdout, "stdout"] as const);
    writeAll(fd, Buffer.from(recordedText(place.path, finished)), where);
    if (!remove)
      log.info(`${spool.path} stays as it is; when ${place.path} is as it should be, remove it: rm -r ${spool.path}`);
    judge(options, finished, missing);
  } finally {
    end.close();
  }
}

/** Whether the file is a whole recording. Of what is wrong the first is the error, all else a warning before it. */
function judge({ action, spool, place, trouble }: FinishOptions, finished: Finished, missing: string[]): void {
  const { damage, balances, endedEarly } = finished;
  const early = trouble ?? endedEarly;
  const wrong: AgentError[] = [];
  if (early !== undefined)
    wrong.push(
      new AgentError("io", `the recording ended early: ${early}`, {
        remedy: `${place.path} holds everything that was received`,
      }),
    );
  if (damage.length > 0) {
    const [kind, what] =
      action === "record" ? (["io", "the recording"] as const) : (["input", `"${spool.path}"`] as const);
    wrong.push(
      new AgentError(kind, `${what} is damaged: ${damage.join("; ")}`, {
        remedy: `${place.path} holds what could be read`,
      }),
    );
  }
  if (missing.length > 0)
    wrong.push(
      new AgentError("io", `the recording is incomplete: ${missing.join("; ")}`, { remedy: imbalanceRemedy(balances) }),
    );
  // A damaged input is what a script must know first.
  const [first] = wrong.toSorted((a, b) => Number(b.kind === "input") - Number(a.kind === "input"));
  if (first === undefined) return;
  for (const other of wrong) if (other !== first) log.warn(other.message);
  throw first;
}
