/**
 * `trace-agent sync`: places recordings that exist on one timeline. Copies of them are written: the host's with a map of its
 * guests' CPUs, each guest's with what its times become; nothing else of them changes, and they themselves do not.
 */
import { mkdirSync, readdirSync } from "node:fs";
import { dirname } from "node:path";
import { AgentError, errnoOf, messageOf } from "../../base/errors.ts";
import { OutputFile } from "../../base/output-file.ts";
import { directoryPath, locate } from "../../base/locate.ts";
import {
  type FileIdentity,
  identitiesOf,
  OutputPlace,
  requireApart,
  requireDirectoryName,
} from "../../base/output-place.ts";
import { removeIfEmpty } from "../../base/remove-if-empty.ts";
import type { TimeSample } from "../../events/trace-metadata.ts";
import { OptionId } from "../../trace-dat/format.ts";
import { openTraceFile } from "../../trace-dat/read/file.ts";
import { readHead } from "../../trace-dat/read/reader.ts";
import { sessionFileName } from "../../trace-dat/session/names.ts";
import { type SessionOffset, sessionText } from "../../trace-dat/session/session-file.ts";
import { copyWithOptions } from "../../trace-dat/write/copy.ts";
import { guestOption, timeShiftOption } from "../../trace-dat/write/time-options.ts";
import { timelineLimits } from "../limits.ts";
import { knownShift } from "./known-shift.ts";
import { findTasks, type FoundTasks } from "./find-tasks.ts";
import { vcpuThreadsOf, type VcpuThread } from "./machine-tasks.ts";
import { searchOffset, type Searched } from "./search-offset.ts";
import { mapOf, openInputs, type SyncInput, type SyncInputs } from "./sync-inputs.ts";
import type { GuestToPlace, KnownOffset } from "./synchronise.ts";
import { requireNames, sessionOf, withOffsets } from "./synced-session.ts";
import { synchroniseAll } from "./synchronise-all.ts";
import { toldOffset } from "./told-offset.ts";

export type SyncOptions = {
  readonly paths: readonly string[];
  readonly directory: string;
  readonly group: number | undefined;
  readonly host: string | undefined;
  /** By guest. */
  readonly offsets: ReadonlyMap<string, { ns: bigint; boundNs: number }>;
  readonly vcpus: ReadonlyMap<string, readonly number[]>;
  /** Called with what begins: seconds of work, for large recordings. */
  readonly onStep: (step: string) => void;
};

export type SyncedFile = { readonly name: string; readonly path: string; readonly offset?: SessionOffset };

type PlacedGuest = {
  readonly input: SyncInput;
  readonly tasks: readonly number[];
  readonly offset: SessionOffset;
  readonly samples: readonly TimeSample[];
};

/** Throws an AgentError where nothing can be written. */
export function syncFiles(options: SyncOptions): SyncedFile[] {
  const inputs = openInputs(options.paths, options.host);
  try {
    for (const [option, names] of [
      ["offset", options.offsets.keys()],
      ["vcpus", options.vcpus.keys()],
    ] as const)
      for (const name of names)
        if (!inputs.guests.some((guest) => guest.name === name))
          throw new AgentError("usage", `--${option} is of "${name}", which is no guest's recording here`, {
            remedy: `guests are: ${inputs.guests.map((guest) => guest.name).join(", ")}`,
          });
    requireNames(inputs);
    const isMade = makeEmpty(options.directory, identitiesOf(...options.paths));
    try {
      const placed = placeAll(inputs, options);
      options.onStep("writing the copies");
      return write(inputs, placed, options);
    } catch (error) {
      removeEmptied(options.directory, isMade);
      throw error;
    }
  } finally {
    inputs.close();
  }
}

function placeAll(inputs: SyncInputs, options: SyncOptions): PlacedGuest[] {
  const { host, guests } = inputs;
  options.onStep(`placing ${guests.map(({ name }) => name).join(", ")} on the host's clock`);
  let threads: readonly VcpuThread[] | undefined;
  const named = (): readonly VcpuThread[] => (threads ??= vcpuThreadsOf(host.source));
  const found = guests.map((input) => tasksAndOffset(input, inputs, options, named));
  const toPlace = found.flatMap(({ input: { source }, tasks, known }): GuestToPlace[] =>
    known === undefined ? [] : [{ source, tasks, known }],
  );
  const steps = synchroniseAll(host.source, toPlace);
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  const outcomes = step.value.values();
  return found.map(({ input, tasks, hint, known, reason: why }): PlacedGuest => {
    const remedy = hint === "" ? "" : `; ${hint}`;
    if (known === undefined) {
      const reason = `nothing tells it, and ${why}${remedy}`;
      return { input, tasks, offset: { method: "unknown", reason }, samples: [] };
    }
    const outcome = outcomes.next().value;
    if (outcome === undefined) throw new RangeError(`no outcome for ${input.name}`);
    if ("error" in outcome) throw outcome.error;
    const told = toldOffset(outcome.placed);
    const offset = hint === "" ? told : { ...told, reason: `${told.reason ?? ""}${remedy}` };
    return { input, tasks, offset, samples: outcome.placed.samples };
  });
}

/** What is known before. `named`: the host's threads that have the names of vCPUs. */
function tasksAndOffset(
  input: SyncInput,
  { host }: SyncInputs,
  options: SyncOptions,
  named: () => readonly VcpuThread[],
): { input: SyncInput } & FoundTasks & Searched {
  const { source, name } = input;
  const known = knownOf(input, options);
  const given = options.vcpus.get(name) ?? knownTasks(mapOf(input, host)?.tasks);
  const { tasks, hint } =
    given === undefined
      ? findTasks(host.source, named(), input, known)
      : { tasks: source.cpus.map((_, cpu) => given[cpu] ?? -1), hint: "" };
  return {
    input,
    tasks,
    hint,
    ...(known === undefined ? searchOffset(host.source, source, tasks) : { known, reason: "" }),
  };
}

function knownTasks(tasks: readonly number[] | undefined): readonly number[] | undefined {
  return tasks?.some((task) => task >= 0) === true ? tasks : undefined;
}

/** As the user says, as the recording itself does, as the session does. */
function knownOf({ name, source, offset: told }: SyncInput, { offsets }: SyncOptions): KnownOffset | undefined {
  const given = offsets.get(name);
  if (given !== undefined) return constant(given.ns, given.boundNs);
  const boundNs = Math.max(told?.boundNs ?? 0, timelineLimits.syncKnownNs);
  const shift = knownShift(source.metadata, boundNs);
  if (shift !== undefined) return shift;
  return told?.ns === undefined ? undefined : constant(BigInt(told.ns), boundNs);
}

function constant(ns: bigint, boundNs: number): KnownOffset {
  const offset = Number(ns);
  return { range: () => ({ low: offset - boundNs, high: offset + boundNs }), guestEpoch: 0n };
}

/** Whether it was made. */
function makeEmpty(directory: string, inputs: readonly FileIdentity[]): boolean {
  const action = "write into";
  requireDirectoryName(directory, action);
  const located = locate(directoryPath(directory), action);
  try {
    requireApart(directory, action, located, inputs);
  } finally {
    located.directory.close();
  }
  try {
    mkdirSync(directory, { mode: 0o700 });
    return true;
  } catch (cause) {
    if (errnoOf(cause) !== "EEXIST")
      throw new AgentError("io", `cannot make directory "${directory}": ${messageOf(cause)}`, { cause });
  }
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (cause) {
    throw new AgentError("usage", `cannot write into "${directory}": ${messageOf(cause)}`, {
      remedy: "name a new directory",
      cause,
    });
  }
  if (names.length > 0)
    throw new AgentError("usage", `cannot write into "${directory}": it holds something`, {
      remedy: "name a new directory: recordings are copied, never changed",
    });
  return false;
}

/** Folders of machines that have no copy, and the directory if it was made. */
function removeEmptied(directory: string, isMade: boolean): void {
  const folders = readdirSync(directory).map((name) => `${directory}/${name}`);
  // Copies that are whole may be in one, or be one.
  for (const folder of isMade ? [...folders, directory] : folders) removeIfEmpty(folder);
}

function write(
  all: SyncInputs,
  placed: readonly PlacedGuest[],
  { directory, group, paths }: SyncOptions,
): SyncedFile[] {
  const { host } = all;
  const pathFor = (name: string): string => {
    if (name.includes("/")) mkdirSync(`${directory}/${dirname(name)}`, { recursive: true, mode: 0o700 });
    return `${directory}/${name}`;
  };
  const inputs = identitiesOf(...paths);
  type MakeOptions = (littleEndian: boolean) => Uint8Array[];
  const copy = ({ files: segments }: SyncInput, id: number, makeOptions: MakeOptions): string =>
    segments.map((segment) => copyFile(segment, id, makeOptions))[0] ?? "";
  const copyFile = (from: SyncInput["files"][number], id: number, makeOptions: MakeOptions): string => {
    const path = pathFor(from.name);
    const file = openTraceFile(from.path);
    try {
      const head = readHead(file);
      const more = makeOptions(head.littleEndian);
      const place = OutputPlace.find(path, { group, inputs });
      try {
        const output = new OutputFile(place);
        try {
          copyWithOptions(file, head, output, more, (option) => more.length > 0 && option.id === id);
          output.finish();
        } finally {
          output.abandon();
        }
      } finally {
        place.close();
      }
    } finally {
      file.close();
    }
    return path;
  };
  const hostTraceId = host.source.metadata.traceId ?? 0n;
  const hostPath = copy(host, OptionId.guest, (littleEndian) =>
    placed.map(({ input: { name, source }, tasks }) =>
      guestOption({ name, traceId: source.metadata.traceId ?? 0n, tasks }, littleEndian),
    ),
  );
  const files: SyncedFile[] = [{ name: host.name, path: hostPath }];
  for (const { input, offset, samples } of placed) {
    const shift = {
      hostTraceId,
      interpolated: samples.length > 1,
      samples: input.source.cpus.map(() => samples),
    };
    const path = copy(input, OptionId.timeShift, (littleEndian) =>
      samples.length === 0 ? [] : [timeShiftOption(shift, littleEndian)],
    );
    files.push({ name: input.name, path, offset });
  }
  const session = all.session ?? sessionOf(all);
  const place = OutputPlace.find(`${directory}/${sessionFileName}`, { group, inputs });
  try {
    const output = new OutputFile(place);
    output.write(Buffer.from(sessionText(withOffsets(session, placed))));
    output.finish();
  } finally {
    place.close();
  }
  return files;
}
