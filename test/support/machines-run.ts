/** A recorder of machines in the process of the test, which so can change what is recorded, and where guests are looked for. */
import type { MachinesPlan } from "../../src/host/machines/machine-request.ts";
import type { MachinesOptions } from "../../src/host/machines/machines-options.ts";
import { recordMachines } from "../../src/host/machines/record-machines.ts";
import type { RunningRecorder } from "../../src/host/machines/running-recorder.ts";
import type { TraceConfig } from "../../src/host/run/trace-config.ts";

export const nothingWanted: TraceConfig = {
  events: [],
  bufferKb: undefined,
  clock: undefined,
  tracer: undefined,
  functions: [],
  noFunctions: [],
  graphFunctions: [],
  graphDepth: undefined,
  pids: [],
  options: [],
};

export type Started = {
  recorder: RunningRecorder;
  change: (plan: MachinesPlan) => void;
  /** Its end, with what it throws. */
  ended: Promise<unknown>;
};

export async function startRecording(
  path: string,
  plan: Partial<MachinesPlan>,
  options: Partial<MachinesOptions> = {},
): Promise<Started> {
  const { promise, resolve } = Promise.withResolvers<Omit<Started, "ended">>();
  const ended = recordMachines(
    { requests: [], wantedOf: () => nothingWanted, waitMsOf: () => undefined, vcpus: new Map(), ...plan },
    {
      path,
      group: undefined,
      format: "v6",
      until: { seconds: undefined, bytes: undefined },
      latency: undefined,
      past: false,
      ...options,
      running: (recorder, change) => resolve({ recorder, change }),
    },
  ).then(
    () => undefined,
    (error: unknown) => error,
  );
  return { ...(await promise), ended };
}
