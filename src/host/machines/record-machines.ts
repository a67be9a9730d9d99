/**
 * `trace-agent record vm1 vm2 ... [--host] -o DIR`: several machines in one recorder, served by one port loop. A machine that
 * cannot be recorded is left out and told; one that ends early does not end the others.
 */
import { AgentError } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import { counted } from "../../base/plural.ts";
import { writeAsIs } from "../../base/standard-output.ts";
import { hostName } from "../../trace-dat/session/names.ts";
import { findHostPorts } from "../guest-directory.ts";
import { requireDescriptors } from "../run/attach.ts";
import { finishLeft, finishMachines } from "./finish-machines.ts";
import type { MachineRecording } from "./machine-recording.ts";
import type { MachineRequest, MachinesPlan } from "./machine-request.ts";
import type { MachinesOptions } from "./machines-options.ts";
import { MachinesRun } from "./machines-run.ts";
import { limitDescriptors } from "./own-bounds.ts";
import { RecorderControl } from "./recorder-control.ts";
import { SessionDirectory } from "./session-directory.ts";

/** Throws an AgentError where nothing was recorded, and where the recording is not whole. */
export async function recordMachines(plan: MachinesPlan, options: MachinesOptions): Promise<void> {
  const { requests } = plan;
  const directory = SessionDirectory.open(options.path, options.group);
  let control: RecorderControl | undefined;
  try {
    control = new RecorderControl(directory, options.metrics);
    const missing = await finishLeft(directory, { format: options.format, remove: false }, options.cut?.keep);
    for (const { name, kind } of requests) {
      const refusal = directory.refusal(name, kind);
      if (refusal !== undefined) throw new AgentError("usage", `cannot record "${name}": ${refusal}`);
    }
    limitDescriptors(options.bounds ?? {});
    // Where machines may come each is looked at by itself: one too many must not keep the others from being recorded.
    if (plan.join === undefined)
      requireDescriptors(counted(requests.length, "machine"), "record", requests.map(portsOf));
    directory.save();
    const run = new MachinesRun(directory, plan, options, control);
    try {
      await run.run();
    } catch (error) {
      if (error instanceof AgentError && error.kind === "usage") withdraw(directory, run.machines);
      throw error;
    }
    control.isFinishing = true;
    const made = { format: options.format, remove: true };
    missing.push(...run.missing, ...(await finishMachines(directory, run.machines.flatMap(unfinished), made)));
    const isRing = options.cut !== undefined && "ring" in options.cut;
    tellEnd(directory, run.machines, missing, { mayBeNone: run.mayBeNone, isRing });
  } finally {
    control?.close();
    directory.close();
  }
}

/** What is refused while machines begin, for an option (--keep) that does not do for them, was not recorded. */
function withdraw(directory: SessionDirectory, machines: readonly MachineRecording[]): void {
  for (const machine of machines) {
    machine.withdraw();
    delete machine.entry.leftOut;
  }
  const { file } = directory;
  file.ended = new Date().toISOString();
  file.machines = file.machines.filter(
    ({ recordings, removed, leftOut }) => recordings.length > 0 || removed !== undefined || leftOut !== undefined,
  );
  saved(directory);
  if (isEmpty(file)) directory.discard();
}

function isEmpty({ machines }: SessionDirectory["file"]): boolean {
  return machines.every(({ recordings }) => recordings.length === 0);
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

/** `mayBeNone`: machines may come, and none may have come. `isRing`: what is received is not kept, but for snapshots. */
function tellEnd(
  directory: SessionDirectory,
  machines: readonly MachineRecording[],
  missing: readonly string[],
  { mayBeNone, isRing }: { mayBeNone: boolean; isRing: boolean },
): void {
  const { file, path } = directory;
  const holdsNothing = isEmpty(file);
  const recorded = machines.filter(({ recording }) => recording !== undefined);
  const refused = machines.filter((machine) => machine.refused !== undefined);
  file.ended = new Date().toISOString();
  const unsaved = saved(directory);
  if (recorded.length === 0) {
    if (holdsNothing) directory.discard();
    const [first] = mayBeNone ? refused.filter(({ request }) => request.named) : refused;
    if (first === undefined && mayBeNone) return log.info("no guest came");
    throw first?.refused ?? new AgentError("unavailable", "no machine was recorded");
  }
  // One that came again has several recordings.
  const names = [...new Set(recorded.map(({ name }) => name))];
  const how = holdsNothing
    ? `Nothing is in it: ${isRing ? "no snapshot was taken" : "nothing came"}\n`
    : `Open it with:\n  trace-agent report ${path}\n  trace-agent export ${path}\n`;
  writeAsIs(Buffer.from(`${path}: ${counted(names.length, "machine")} (${names.join(", ")}). ${how}`));
  // How one ended that was recorded, and tried again in vain, is told already.
  const never = refused.filter(({ name }) => !names.includes(name));
  const wanted = never.filter(({ request }) => request.named || request.name === hostName);
  const all = [...missing, ...wanted.map(({ name }) => `${name} was not recorded`), ...unsaved];
  for (const what of all) log.warn(what);
  if (all.length > 0)
    throw new AgentError("io", `the recording is incomplete: ${all.join("; ")}`, {
      remedy: `${path} holds ${isRing ? "the snapshots that were taken" : "everything that was received"}`,
    });
}

/** Why it cannot be. What is missing from the recording is told all the same. */
function saved(directory: SessionDirectory): string[] {
  try {
    directory.save();
    return [];
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    return [error.message];
  }
}
