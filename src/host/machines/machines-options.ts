/** What holds for a recording of several machines as long as it goes on. */
import type { TraceDatFormat } from "../../trace-dat/write/write.ts";
import type { MetricsOptions } from "../metrics/metrics-file.ts";
import type { Latency } from "../run/guest-settings.ts";
import type { RecordLimits } from "../run/recording-watch.ts";
import type { CutOptions } from "../segments/make-cutter.ts";
import type { TriggerOptions } from "../triggers/trigger.ts";
import type { MachinesPlan } from "./machine-request.ts";
import type { OwnBounds } from "./own-bounds.ts";
import type { RunningRecorder } from "./running-recorder.ts";

export type MachinesOptions = {
  path: string;
  group: number | undefined;
  format: TraceDatFormat;
  /** Of the whole. */
  until: RecordLimits;
  latency: Latency | undefined;
  past: boolean;
  /** What it may use of this machine. */
  bounds?: OwnBounds | undefined;
  /** Where they are written, where they are. */
  metrics?: MetricsOptions | undefined;
  /** Called when it begins; `change`: from now on as another plan says. */
  running?: (recorder: RunningRecorder, change: (plan: MachinesPlan) => void) => void;
  /** What a snapshot is taken for. */
  on?: TriggerOptions | undefined;
  /** Cuts the recording while it goes on, instead of making one file of each machine at its end. */
  cut?: CutOptions | undefined;
};
