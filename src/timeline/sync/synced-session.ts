/** What the copies of recordings are called in their directory, and its session.json where they came from none. */
import { AgentError } from "../../base/errors.ts";
import { foreignText } from "../../base/foreign-text.ts";
import { sessionFileName } from "../../trace-dat/session/names.ts";
import { isMachineName, type SessionFile } from "../../trace-dat/session/session-file.ts";
import { clockOf } from "../../tracefs/trace-clocks.ts";
import type { SyncInputs } from "./sync-inputs.ts";

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
