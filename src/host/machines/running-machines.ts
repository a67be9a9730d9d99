/** The machines of a recorder as those see them who watch or order it (running-recorder.ts). */
import type { Keeper } from "./keeper.ts";
import type { MachineRecording } from "./machine-recording.ts";
import type {
  RecorderStatus,
  RunningMachine,
  RunningRecorder,
  SnapshotRequest,
  SnapshotResult,
} from "./running-recorder.ts";

const noTimes: ReadonlyMap<number, bigint> = new Map();

export class RunningMachines implements RunningRecorder {
  readonly #machines: readonly MachineRecording[];
  readonly #keeper: Keeper;
  readonly #directory: string;
  readonly #started = new Date().toISOString();
  readonly stop: () => void;

  /** `machines`: a list that grows. */
  constructor(machines: readonly MachineRecording[], keeper: Keeper, directory: string, stop: () => void) {
    this.#machines = machines;
    this.#keeper = keeper;
    this.#directory = directory;
    this.stop = stop;
  }

  get machines(): readonly RunningMachine[] {
    return this.#machines.map((machine): RunningMachine => {
      const { name, entry, watch, trouble, refused, ended, bytes } = machine;
      return {
        recording: machine,
        name,
        kind: entry.kind,
        state: refused !== undefined ? "refused" : ended ? "ended" : watch === undefined ? "waiting" : "recording",
        trouble: refused?.message ?? trouble,
        receivedBytes: bytes,
        lostEvents: watch?.lost,
        since: watch?.since ?? noTimes,
        silentMs: ended ? 0 : (watch?.silentMs ?? 0),
        files: this.#keeper.filesOf(name),
        metadata: () => this.#keeper.metadataOf(name),
        streams: () => this.#keeper.streamsOf(name),
      };
    });
  }

  status(): RecorderStatus {
    const { mode, diskBytes, snapshots } = this.#keeper;
    return { directory: this.#directory, mode, started: this.#started, diskBytes, snapshots };
  }

  snapshot(request: SnapshotRequest): Promise<SnapshotResult> {
    return this.#keeper.snapshot(request);
  }
}

/** One file of each machine at the end: nothing can be had before. */
export function wholeKeeper(bytes: () => number): Keeper {
  return {
    mode: "whole",
    snapshots: 0,
    get diskBytes() {
      return bytes();
    },
    snapshot: () =>
      Promise.resolve({ taken: false, reason: "this recording has no ring (--last) and no segments (--rotate)" }),
    filesOf: () => 0,
    streamsOf: () => [],
    metadataOf: () => undefined,
  };
}
