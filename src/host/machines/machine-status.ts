/** What a recorder tells of its machines, for `status DIR` and metrics: sums over all recordings of a machine since the recorder began. */
import type { SessionLosses } from "../../trace-dat/session/session-file.ts";
import type { MachineStatus } from "../control/messages.ts";
import type { MachineRecording } from "./machine-recording.ts";
import type { RunningMachine } from "./running-recorder.ts";

type CpuStatus = MachineStatus["cpus"][number];

type Losses = Readonly<Record<string, SessionLosses>>;

/** By name, in the order in which they were first recorded. `losses`: of the session, now and when the recorder began. */
export function machineStatuses(
  machines: readonly MachineRecording[],
  losses: { before: Losses; now: Losses },
  running: readonly RunningMachine[],
): MachineStatus[] {
  const { before, now } = losses;
  return [...Map.groupBy(machines, ({ name }) => name)].map(([name, all]) =>
    statusOf(name, all, {
      transit: Math.max(0, (now[name]?.transit ?? 0) - (before[name]?.transit ?? 0)),
      running: running.findLast((one) => one.name === name),
    }),
  );
}

function statusOf(
  name: string,
  all: readonly MachineRecording[],
  { transit, running }: { transit: number; running: RunningMachine | undefined },
): MachineStatus {
  const newest = all.at(-1);
  const cpus = new Map<number, CpuStatus>();
  let lostBytes = 0;
  for (const { watch } of all) {
    if (watch === undefined) continue;
    for (const { cpu, received } of watch.session.pump.readers) entryOf(cpus, cpu).receivedBytes += received;
    for (const losses of watch.losses) {
      const entry = entryOf(cpus, losses.cpu);
      entry.overrun += losses.overrun;
      entry.dropped += losses.dropped;
      lostBytes += losses.lostBytes;
    }
  }
  const sum = (of: (entry: CpuStatus) => number): number => [...cpus.values()].reduce((all, one) => all + of(one), 0);
  // What is cut lies in the spool as far as it is not in a segment, or removed.
  const ringBytes = (running?.streams() ?? []).reduce((bytes, { from, to }) => bytes + to - from, 0);
  const reason = newest?.refused?.message ?? newest?.trouble;
  const silentMs = newest?.ended === true ? 0 : (newest?.watch?.silentMs ?? 0);
  return {
    name,
    kind: newest?.request.kind ?? "guest",
    state: stateOf(newest),
    ...(reason === undefined ? {} : { reason }),
    up: newest?.watch !== undefined && !newest.ended && silentMs === 0,
    silentSeconds: Math.round(silentMs) / 1000,
    receivedBytes: sum(({ receivedBytes }) => receivedBytes),
    spoolBytes: all.reduce((bytes, one) => bytes + (isSpooled(one) ? one.bytes : 0), ringBytes),
    segments: all.filter(isFile).length + (running?.files ?? 0),
    lost: {
      overrun: sum(({ overrun }) => overrun),
      dropped: sum(({ dropped }) => dropped),
      transit,
    },
    lostBytes,
    cpus: [...cpus.values()].sort((a, b) => a.cpu - b.cpu),
  };
}

function isSpooled({ recording, isCut }: MachineRecording): boolean {
  return !isCut && recording?.state === "recording";
}

function isFile({ recording, isCut }: MachineRecording): boolean {
  return !isCut && recording !== undefined && recording.state !== "recording";
}

function stateOf(machine: MachineRecording | undefined): MachineStatus["state"] {
  if (machine?.refused !== undefined) return "left out";
  if (machine?.ended === true) return "ended";
  return machine?.watch === undefined ? "waiting" : "recording";
}

function entryOf(cpus: Map<number, CpuStatus>, cpu: number): CpuStatus {
  let entry = cpus.get(cpu);
  if (entry === undefined) cpus.set(cpu, (entry = { cpu, receivedBytes: 0, overrun: 0, dropped: 0 }));
  return entry;
}
