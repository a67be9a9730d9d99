/** The files of a session: made of the spools one after the other, with session.json brought up to date after each. */
import { EndRequest } from "../../base/end-request.ts";
import { AgentError } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import { writeAsIs } from "../../base/standard-output.ts";
import { clockOf } from "../../tracefs/trace-clocks.ts";
import { Spool } from "../../trace-dat/spool/spool.ts";
import type { TraceDatFormat } from "../../trace-dat/write/write.ts";
import { recordedTable } from "../../views/recorded-text.ts";
import { makeRecording } from "../run/make-recording.ts";
import { recoverSegments } from "../segments/recover-segments.ts";
import type { Keep } from "../segments/segment-store.ts";
import { sumOfLosses } from "./losses.ts";
import { offsetText } from "../../views/offset-text.ts";
import { joinedOffset, noteParts, offsetOf } from "./note-parts.ts";
import { type PlacedPart, placeMachines } from "./place-machines.ts";
import type { SessionRecording } from "../../trace-dat/session/session-file.ts";
import type { Finished } from "../../trace-dat/spool/finish.ts";
import { SessionDirectory } from "./session-directory.ts";
import type { Unfinished } from "./unfinished.ts";
import { removeUnknownFiles } from "./unknown-files.ts";

/** `remove`: the spools, where all of them is in the files. What stays is put beside its file, as FILE.spool. */
type HowToFinish = { format: TraceDatFormat; remove: boolean };

/**
 * Returns what is missing from the whole, by sentences. A machine whose file cannot be made does not keep the others from it; a
 * signal ends it for all, whose spools stay.
 */
export async function finishMachines(
  directory: SessionDirectory,
  unfinished: readonly Unfinished[],
  how: HowToFinish,
): Promise<string[]> {
  const missing: string[] = [];
  const end = new EndRequest();
  try {
    const placed = await placeMachines(unfinished, end);
    for (const one of unfinished) {
      const { name } = one.machine;
      if (end.count > 0) {
        one.spool.close();
        missing.push(`${name} has no file yet: trace-agent recover ${directory.path}`);
        continue;
      }
      try {
        const parts = placed.get(one) ?? [{ timeline: {} }];
        missing.push(...(await finishOne(directory, one, how, { end, parts })).map((what) => `${name}: ${what}`));
      } catch (error) {
        if (!(error instanceof AgentError)) throw error;
        one.recording.reason = error.text;
        directory.note();
        log.error(`${name}: ${error.text}`);
        missing.push(`${name} has no file: ${error.message}`);
      }
      // Its formats and symbols are megabytes outside of the collector's heap, which it does not hurry for: many machines would add up.
      if (unfinished.length > 1) Bun.gc(true);
    }
    return missing;
  } finally {
    end.close();
  }
}

/** `trace-agent recover DIR`: makes the files of all that a killed recorder left in the directory of a session. */
export async function recoverSession(path: string, group: number | undefined, how: HowToFinish): Promise<void> {
  const directory = SessionDirectory.open(path, group);
  try {
    const left = directory.leftSpools().length;
    const missing = await finishLeft(directory, how);
    directory.file.ended ??= new Date().toISOString();
    directory.save();
    if (left === 0) log.info(`${path}: nothing is left to recover`);
    if (missing.length > 0) {
      throw new AgentError("io", `the recording is incomplete: ${missing.join("; ")}`, {
        remedy: `${path} holds everything that was received`,
      });
    }
  } finally {
    directory.close();
  }
}

/** What a killed recorder left. `keep`: of the one that comes now. */
export async function finishLeft(directory: SessionDirectory, how: HowToFinish, keep: Keep = {}): Promise<string[]> {
  const missing: string[] = [];
  const left: Unfinished[] = [];
  const cut: Unfinished[] = [];
  for (const name of directory.leftSpools()) {
    try {
      const one = leftOf(directory, name);
      if (one !== undefined) (one.spool.readSession().pieceBytes === undefined ? left : cut).push(one);
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      missing.push(error.message);
    }
  }
  missing.push(...(await finishMachines(directory, left, how)));
  missing.push(...(await recoverSegments(directory, cut, keep)));
  return missing;
}

/** Undefined where the recorder was killed before anything came, or when all files were there. */
function leftOf(directory: SessionDirectory, name: string): Unfinished | undefined {
  const spool = Spool.open(directory.spoolPath(name));
  try {
    if (spool.streams().length === 0) {
      spool.remove();
      return undefined;
    }
    const { traceId, pieceBytes } = spool.readSession();
    const all = directory.file.machines.flatMap((machine) =>
      machine.recordings
        .filter((recording) => recording.traceId === `${traceId}`)
        .map((recording) => ({ machine, recording })),
    );
    const [made] = all;
    const known = all.find(({ recording }) => recording.state === "recording");
    if (made !== undefined && known === undefined && pieceBytes === undefined) {
      spool.close();
      log.info(`${directory.keepSpool(spool, made.recording)} is what was received, and is in files: rm -r removes it`);
      return undefined;
    }
    const machine = known?.machine ?? directory.machine(name, "guest");
    const recording = known?.recording ?? directory.newRecording(machine, traceId);
    const trouble = spool.readEnd() === undefined ? "the recorder was killed" : undefined;
    return { machine, recording, spool, trouble };
  } catch (error) {
    spool.close();
    throw error;
  }
}

async function finishOne(
  directory: SessionDirectory,
  { machine, recording, spool, trouble }: Unfinished,
  how: HowToFinish,
  { end, parts }: { end: EndRequest; parts: readonly PlacedPart[] },
): Promise<string[]> {
  const { file } = directory;
  const { name } = machine;
  const place = directory.placeOf(recording);
  const { traceId = "0" } = recording;
  removeUnknownFiles(directory, machine, traceId);
  const more = directory.freeNames(machine, parts.length - 1);
  const recordings = [recording, ...more.map((name): SessionRecording => ({ file: name, state: "whole", traceId }))];
  const files = recordings.map((one, index) => ({ ...parts[index], output: directory.placeOf(one) }));
  const again = `trace-agent recover ${directory.path}`;
  let kept: string | undefined;
  const keep = (): string => (kept = directory.keepSpool(spool, recording));
  let reasons: string[] | undefined;
  const note = (finished: Finished, missing: readonly string[]): void => {
    const early = trouble ?? finished.endedEarly;
    reasons = [...(early === undefined ? [] : [`it ended early: ${early}`]), ...finished.damage, ...missing];
    noteParts(machine, recordings, parts, finished, reasons);
    file.clocks[name] = clockOf(finished.metadata);
    file.losses[name] = sumOfLosses(file.losses[name], finished);
    const offset = joinedOffset(parts);
    if (offset !== undefined) file.offsets[name] = offset;
    directory.note();
  };
  const options = { ...how, trouble, keep, name, end, again, files, note };
  const { finished } = await makeRecording(spool, place, options).catch((error: unknown) => {
    if (reasons === undefined) for (const { output } of files.slice(1)) output.directory?.remove(output.name);
    throw error;
  });
  if (kept !== undefined && !how.remove)
    log.info(`${kept} is what was received; when ${place.path} is as it should be, remove it: rm -r ${kept}`);
  const clocks = parts.flatMap((part, index) => {
    const told = offsetOf(part);
    return told === undefined ? [] : [offsetText(parts.length === 1 ? name : (recordings[index]?.file ?? name), told)];
  });
  const paths = files.map(({ output }) => output.path).join(", ");
  writeAsIs(Buffer.from(`${[`${name}: ${paths}`, ...clocks, recordedTable(finished)].join("\n")}\n`));
  return reasons ?? [];
}
