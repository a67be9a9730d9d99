/**
 * What can be asked of a recorder of several machines, and told of it, from when its directory is locked until its files are made.
 * Every snapshot is ordered through it, by whomever, so that they are counted.
 */
import { AgentError, messageOf } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import { version } from "../../base/version.ts";
import type { ControlServer } from "../control/control-server.ts";
import type { ControlReply, ControlRequest, ControlStatus } from "../control/messages.ts";
import { registerRecorder } from "../control/registry.ts";
import { ServiceNotice } from "../control/service-notice.ts";
import { MetricsFile, type MetricsOptions } from "../metrics/metrics-file.ts";
import type { MachineRecording } from "./machine-recording.ts";
import { machineStatuses } from "./machine-status.ts";
import type { RunningRecorder, SnapshotRequest, SnapshotResult } from "./running-recorder.ts";
import type { SessionDirectory } from "./session-directory.ts";

/** As with perf record: write what there is, and go on. */
const snapshotSignal = "SIGUSR2";

export class RecorderControl {
  /** The machines are no longer recorded, their files are made. */
  isFinishing = false;
  readonly #directory: SessionDirectory;
  readonly #server: ControlServer | undefined;
  readonly #unregister: () => void;
  readonly #started = new Date().toISOString();
  /** By the first word of their triggers. */
  readonly #snapshots: Record<string, number> = {};
  readonly #lossesBefore: SessionDirectory["file"]["losses"];
  readonly #metrics: MetricsFile | undefined;
  readonly #notice: ServiceNotice;
  #machines: readonly MachineRecording[] = [];
  #recorder: RunningRecorder | undefined;
  #lastSnapshot: Promise<unknown> = Promise.resolve();
  readonly #onSignal = (): void => void this.#takeOnSignal();
  /** Before anything ran. */
  #isStopAsked = false;

  /** Throws an AgentError where metrics cannot be written. */
  constructor(directory: SessionDirectory, metrics: MetricsOptions | undefined) {
    this.#directory = directory;
    this.#lossesBefore = { ...directory.file.losses };
    const { status } = directory;
    this.#metrics = metrics === undefined ? undefined : new MetricsFile(metrics, status, () => this.status());
    this.#notice = new ServiceNotice(() => this.status());
    process.on(snapshotSignal, this.#onSignal);
    this.#server = directory.listen((request) => this.#answer(request));
    this.#unregister = this.#server === undefined ? () => {} : registerRecorder(directory.path, status);
  }

  /** `machines`: a list that grows. */
  runs(machines: readonly MachineRecording[], recorder: RunningRecorder): void {
    this.#machines = machines;
    this.#recorder = recorder;
    if (this.#isStopAsked) recorder.stop();
  }

  status(): ControlStatus {
    const losses = { before: this.#lossesBefore, now: this.#directory.file.losses };
    const machines = machineStatuses(this.#machines, losses, this.#recorder?.machines ?? []);
    const spoolBytes = machines.reduce((sum, one) => sum + one.spoolBytes, 0);
    const { directory, mode, diskBytes } = this.#recorder?.status() ?? {
      directory: this.#directory.path,
      mode: "whole",
      diskBytes: spoolBytes,
    };
    return {
      version,
      pid: process.pid,
      directory,
      started: this.#started,
      state: this.isFinishing ? "finishing" : "recording",
      mode,
      diskBytes,
      spoolBytes,
      snapshots: this.#snapshots,
      machines,
    };
  }

  /** That of a guest that is gone cannot be taken later: it waits for one that is being taken. */
  async snapshot(request: SnapshotRequest): Promise<SnapshotResult> {
    if (request.trigger === "guest-gone") await this.#lastSnapshot;
    const taking = this.#take(request);
    this.#lastSnapshot = taking.catch(() => {});
    return await taking;
  }

  async #take(request: SnapshotRequest): Promise<SnapshotResult> {
    if (this.#recorder === undefined || this.isFinishing) return { taken: false, reason: "no machine is recorded now" };
    const result = await this.#recorder.snapshot(request);
    const word = request.trigger.replace(/=.*/s, "");
    if (result.taken) this.#snapshots[word] = (this.#snapshots[word] ?? 0) + 1;
    return result;
  }

  close(): void {
    process.off(snapshotSignal, this.#onSignal);
    this.#metrics?.close();
    this.#notice.close();
    this.#unregister();
    this.#server?.close();
  }

  async #takeOnSignal(): Promise<void> {
    try {
      const result = await this.snapshot({ trigger: "signal" });
      if (!result.taken) log.warn(`no snapshot was taken for ${snapshotSignal}: ${result.reason}`);
    } catch (error) {
      log.warn(`no snapshot was taken for ${snapshotSignal}: ${messageOf(error)}`);
    }
  }

  async #answer(request: ControlRequest): Promise<ControlReply> {
    if (request.request === "status") return { reply: "status", status: this.status() };
    if (request.request === "stop") {
      this.#isStopAsked = true;
      this.#recorder?.stop();
      return { reply: "stop" };
    }
    const { machine } = request;
    if (machine !== undefined && !this.#machines.some(({ name }) => name === machine))
      throw new AgentError("unavailable", `it records no machine "${machine}"`, { remedy: "status DIR names them" });
    const result = await this.snapshot({ trigger: "command", machine });
    if (!result.taken) {
      const { reason, remedy } = result;
      throw new AgentError("unavailable", reason, remedy === undefined ? {} : { remedy });
    }
    return { reply: "snapshot", files: [...result.files] };
  }
}
