/** What the copies of recordings are called in their directory, and its session.json where they came from none. */
import { AgentError } from "../../base/errors.ts";
import { foreignText } from "../../base/foreign-text.ts";
import { sessionFileName } from "../../trace-dat/session/names.ts";
import {
  isMachineName,
  type SessionFile,
  type SessionOffset,
  type SessionRecording,
} from "../../trace-dat/session/session-file.ts";
import { clockOf } from "../../tracefs/trace-clocks.ts";
import type { SyncInput, SyncInputs } from "./sync-inputs.ts";
import { joinOffsets } from "./told-offset.ts";

/** Copies keep the names of their files, and of files alone each is a machine. Throws where two would be one. */
export function requireNames({ host, guests, session }: SyncInputs): void {
  const machines = new Set<string>();
  const files = new Set<string>([sessionFileName]);
  for (const { name, path, files: own } of [host, ...guests]) {
    if (session === undefined && !isMachineName(name))
      throw new AgentError("usage", `cannot name a machine after "${foreignText(path)}"`, {
        remedy: "rename it, as in vm1.dat",
      });
    const isTaken = session === undefined && machines.has(name);
    const taken = isTaken ? name : own.find((file) => files.has(file.name))?.name;
    if (taken !== undefined)
      throw new AgentError("usage", `two files of one directory would have the name "${foreignText(taken)}"`, {
        remedy: "rename one of the recordings after its machine, as in vm1.dat",
      });
    machines.add(name);
    for (const file of own) files.add(file.name);
  }
}

/** With it the directory is read as a recording of several machines, and tells how well the guests are placed. */
export function sessionOf({ host, guests }: SyncInputs): SessionFile {
  const inputs = [host, ...guests];
  return {
    machines: inputs.map((input) => ({
      name: input.name,
      kind: input === host ? "host" : "guest",
      recordings: input.files.map(({ name: file }) => ({ file, state: "whole" })),
    })),
    clocks: Object.fromEntries(inputs.map(({ name, source }) => [name, clockOf(source.metadata)])),
    offsets: {},
    losses: {},
  };
}

/** With how well each recording is placed now. Those between which a clock stepped are each told by themselves, too. */
export function withOffsets(
  session: SessionFile,
  placed: readonly { input: SyncInput; offset: SessionOffset }[],
): SessionFile {
  const now = new Map<string, SessionOffset>();
  const ofMachine = new Map<string, SessionOffset[]>();
  for (const { input, offset } of placed) {
    const { step } = recordingOf(session, input) ?? {};
    const told = step === undefined ? offset : { ...offset, steps: [step, ...(offset.steps ?? [])] };
    for (const { name } of input.files) now.set(name, told);
    ofMachine.set(input.name, [...(ofMachine.get(input.name) ?? []), told]);
  }
  const machines = session.machines.map((machine) => ({
    ...machine,
    recordings: machine.recordings.map((recording) => {
      const offset = recording.offset === undefined ? undefined : now.get(recording.file);
      return offset === undefined ? recording : { ...recording, offset };
    }),
  }));
  const offsets = { ...session.offsets };
  for (const [name, own] of ofMachine) offsets[name] = joinOffsets(own) ?? { method: "unknown" };
  return { ...session, machines, offsets };
}

function recordingOf(session: SessionFile, { files }: SyncInput): SessionRecording | undefined {
  const [first] = files;
  return session.machines.flatMap(({ recordings }) => recordings).find(({ file }) => file === first?.name);
}
