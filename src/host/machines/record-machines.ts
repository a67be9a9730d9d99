/**
 * `trace-agent record vm1 vm2 ... [--host] -o DIR`: several machines in one recorder, served by one port loop. A machine that
 * cannot be recorded is left out and told; one that ends early does not end the others.
 */
import { resolve } from "node:path";
import { EndRequest } from "../../base/end-request.ts";
import { AgentError } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import { counted } from "../../base/plural.ts";
import { writeAsIs } from "../../base/standard-output.ts";
import { protocolLimits } from "../../protocol/limits.ts";
import { hostName } from "../../trace-dat/session/names.ts";
import type { TraceDatFormat } from "../../trace-dat/write/write.ts";
import { findHostPorts } from "../guest-directory.ts";
import { hostLimits } from "../limits.ts";
import type { MetricsOptions } from "../metrics/metrics-file.ts";
import { requireDescriptors } from "../run/attach.ts";
import type { TraceConfig } from "../run/trace-config.ts";
import { PortLoop } from "../run/port-loop.ts";
import type { Latency } from "../run/guest-settings.ts";
import type { RecordLimits } from "../run/recording-watch.ts";
import { StopSignals } from "../run/stop-signals.ts";
import type { TriggerOptions } from "../triggers/trigger.ts";
import { Triggers } from "../triggers/triggers.ts";
import { type CutOptions, makeCutter } from "../segments/make-cutter.ts";
import type { Cutter } from "./cutter.ts";
import { finishLeft, finishMachines } from "./finish-machines.ts";
import { MachineRecording, type MachineRequest } from "./machine-recording.ts";
import { RecorderControl } from "./recorder-control.ts";
import type { RunningRecorder } from "./running-recorder.ts";
import { RunningMachines, wholeKeeper } from "./running-machines.ts";
import { SessionDirectory } from "./session-directory.ts";
import { SharedEvents } from "./shared-events.ts";
import { StartGate } from "./start-gate.ts";
import { StatusLines } from "./status-lines.ts";
import { StopOrder } from "./stop-order.ts";
import { vcpuThreads } from "./vcpu-threads.ts";

export type MachinesOptions = {
  path: string;
  group: number | undefined;
  format: TraceDatFormat;
  wantedOf: (request: MachineRequest) => TraceConfig;
  /** Of the whole. */
  until: RecordLimits;
  latency: Latency | undefined;
  /** How long a machine's first answer is waited for. */
  waitMsOf: (request: MachineRequest) => number | undefined;
  past: boolean;
  /** By guest, the tasks that run its CPUs, where the user names them. */
  vcpus: ReadonlyMap<string, readonly number[]>;
  /** Machines that are there now; those that are new are recorded too. */
  join?: () => readonly MachineRequest[];
  /** Where they are written, where they are. */
  metrics?: MetricsOptions | undefined;
  /** Called when it begins. */
  running?: (recorder: RunningRecorder) => void;
  /** What a snapshot is taken for. */
  on?: TriggerOptions | undefined;
  /** Cuts the recording while it goes on, instead of making one file of each machine at its end. */
  cut?: CutOptions | undefined;
};

/** Throws an AgentError where nothing was recorded, and where the recording is not whole. */
export async function recordMachines(requests: readonly MachineRequest[], options: MachinesOptions): Promise<void> {
  const directory = SessionDirectory.open(options.path, options.group);
  let control: RecorderControl | undefined;
  try {
    control = new RecorderControl(directory, options.metrics);
    const missing = await finishLeft(directory, { format: options.format, remove: false });
    for (const { name, kind } of requests) {
      const refusal = directory.refusal(name, kind);
      if (refusal !== undefined) throw new AgentError("usage", `cannot record "${name}": ${refusal}`);
    }
    requireDescriptors(counted(requests.length, "machine"), "record", requests.map(portsOf));
    directory.save();
    const { machines, missing: cutMissing } = await runAll(directory, requests, control, options);
    control.isFinishing = true;
    missing.push(
      ...cutMissing,
      ...(await finishMachines(directory, machines.flatMap(unfinished), { format: options.format, remove: true })),
    );
    tellEnd(directory, machines, missing, options.join !== undefined);
  } finally {
    control?.close();
    directory.close();
  }
}

/** Data ports; none of a machine that is not there, which is told later. */
function portsOf({ guest }: MachineRequest): number {
  try {
    return findHostPorts(guest).data.length;
  } catch (error) {
    if (error instanceof AgentError) return 0;
    throw error;
  }
}

async function runAll(
  directory: SessionDirectory,
  requests: readonly MachineRequest[],
  control: RecorderControl,
  options: MachinesOptions,
): Promise<{ machines: MachineRecording[]; missing: string[] }> {
  const signals = new StopSignals();
  const lines = new StatusLines();
  const loop = new PortLoop();
  const host = requests.find(({ kind }) => kind === "host");
  const gate = new StartGate(
    requests.map(({ name }) => name),
    host?.name,
  );
  const events = new SharedEvents();
  const machines: MachineRecording[] = [];
  const bytes = (): number => machines.reduce((sum, machine) => sum + machine.bytes, 0);
  const order = new StopOrder(signals, gate, options.until, bytes);
  const missing: string[] = [];
  const stop = (why: string): void => {
    if (!order.isStopping) missing.push(why);
    order.stop();
  };
  const cutter = options.cut === undefined ? undefined : makeCutter(directory, options, options.cut, loop, stop);
  const keeper = cutter ?? wholeKeeper(bytes);
  const running = new RunningMachines(machines, keeper, resolve(directory.path), () => order.stop());
  const latencyMs = options.latency?.ms ?? protocolLimits.latencyMsDefault;
  const triggers =
    options.on === undefined
      ? undefined
      : new Triggers(running, { ...options.on, latencyMs }, (request) => control.snapshot(request));
  control.runs(machines, running);
  options.running?.(running);
  let failure: { error: unknown } | undefined;
  let settleMs = Infinity;
  const begin = (request: MachineRequest): void => {
    // What was refused before is tried again, and forgotten: a recorder may run for weeks.
    const earlier = machines.findIndex(({ name, refused }) => name === request.name && refused !== undefined);
    const [before] = earlier < 0 ? [] : machines.splice(earlier, 1);
    const machine = new MachineRecording(request, directory, cutter, before?.refused?.message);
    machines.push(machine);
    const wanted = options.wantedOf(request);
    events.join(
      request.name,
      wanted.events.map(({ word }) => word),
    );
    void machine
      .run(
        {
          loop,
          wanted: {
            ...wanted,
            missing: (words, error) => events.missing(request.name, words, error),
          },
          until: { seconds: undefined, bytes: undefined },
          restBytes: options.until.bytes === undefined ? undefined : options.until.bytes / requests.length,
          latency: options.latency,
          waitMs: options.waitMsOf(request),
          past: options.past,
          takesRaw: request.named,
          clocks: request.kind === "guest",
          ...(request.kind === "host"
            ? {}
            : { vcpus: (cpus: number) => options.vcpus.get(request.name) ?? vcpuThreads(request.guest, cpus) }),
          stopAsked: () => order.asked(request.name),
          mayStart: () => gate.mayStart(request.name),
          beforeStart: () => events.check(),
        },
        () => {
          gate.started(request.name);
          settleMs = performance.now() + hostLimits.heapSettleMs;
        },
        (error) => error === events.error,
      )
      .catch((error: unknown) => {
        failure ??= { error };
        order.stop();
      })
      .finally(() => {
        gate.leave(request.name);
        events.leave(request.name);
      });
  };
  try {
    for (const request of requests) begin(request);
    let lookedMs = performance.now();
    while (machines.some(({ ended }) => !ended) || (options.join !== undefined && !order.isStopping)) {
      lines.show(machines);
      cutter?.turn();
      triggers?.turn();
      if (options.join !== undefined && performance.now() - lookedMs >= hostLimits.joinEveryMs) {
        lookedMs = performance.now();
        if (!order.isStopping) for (const request of newOnes(options.join(), machines, directory)) begin(request);
      }
      if (performance.now() >= settleMs) {
        settleMs = Infinity;
        Bun.gc(true);
      }
      await Bun.sleep(hostLimits.machinesTurnMs);
    }
    // The last of them may have ended in that time.
    triggers?.turn();
    await triggers?.settled();
    lines.clear();
    if (cutter !== undefined) missing.push(...(await finishCuts(cutter)));
  } finally {
    lines.clear();
    signals.close();
    loop.close();
  }
  if (failure !== undefined) throw failure.error;
  return { machines, missing };
}

async function finishCuts(cutter: Cutter): Promise<string[]> {
  const end = new EndRequest();
  try {
    return await cutter.finish(() => end.count > 0);
  } finally {
    end.close();
  }
}

/** Those that are not recorded now: a machine that ended is recorded again when it is back. */
function newOnes(
  found: readonly MachineRequest[],
  machines: readonly MachineRecording[],
  directory: SessionDirectory,
): readonly MachineRequest[] {
  return found.filter(
    ({ name, kind }) =>
      directory.refusal(name, kind) === undefined &&
      !machines.some((machine) => machine.name === name && !machine.ended),
  );
}

/** A cutter finishes its machines itself. */
function unfinished({
  entry,
  recording,
  spool,
  trouble,
  isCut,
}: MachineRecording): Parameters<typeof finishMachines>[1] {
  return isCut || recording === undefined || spool === undefined ? [] : [{ machine: entry, recording, spool, trouble }];
}

/** `mayBeNone`: machines may come, and none may have come. */
function tellEnd(
  directory: SessionDirectory,
  machines: readonly MachineRecording[],
  missing: readonly string[],
  mayBeNone: boolean,
): void {
  const { file, path } = directory;
  const recorded = machines.filter(({ recording }) => recording !== undefined);
  const refused = machines.filter((machine) => machine.refused !== undefined);
  file.ended = new Date().toISOString();
  directory.save();
  if (recorded.length === 0) {
    if (file.machines.every(({ recordings }) => recordings.length === 0)) directory.discard();
    const [first] = mayBeNone ? refused.filter(({ request }) => request.named) : refused;
    if (first === undefined && mayBeNone) return log.info("no guest came");
    throw first?.refused ?? new AgentError("unavailable", "no machine was recorded");
  }
  const names = recorded.map(({ name }) => name).join(", ");
  writeAsIs(Buffer.from(`${path}: ${counted(recorded.length, "machine")} (${names}). Open it with:\n`));
  writeAsIs(Buffer.from(`  trace-agent report ${path}\n  trace-agent export ${path}\n`));
  const wanted = refused.filter(({ request }) => request.named || request.name === hostName);
  const all = [...missing, ...wanted.map(({ name }) => `${name} was not recorded`)];
  for (const what of all) log.warn(what);
  if (all.length > 0)
    throw new AgentError("io", `the recording is incomplete: ${all.join("; ")}`, {
      remedy: `${path} holds everything that was received`,
    });
}
