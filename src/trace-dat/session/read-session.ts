/** Reads the session.json of a directory, and where its machines' recordings are. */
import { closeSync, existsSync, readFileSync, readSync, statSync } from "node:fs";
import { tryLock } from "../../../ffi/lock.ts";
import { Directory, placeError } from "../../base/directory.ts";
import { AgentError } from "../../base/errors.ts";
import { openRegular } from "../../base/open-regular.ts";
import { traceDatLimits } from "../limits.ts";
import { sessionFileName, sessionSpools } from "./names.ts";
import type { RecordedAbout } from "../parts.ts";
import { segmentsWithin, type Segment, type ShownTimes } from "./segments-within.ts";
import { readSessionFile, type SessionFile, type SessionMachine } from "./session-file.ts";

export function readSession(path: string): SessionFile {
  const name = `${path}/${sessionFileName}`;
  try {
    return readSessionFile(readBounded(name), name);
  } catch (cause) {
    if (cause instanceof AgentError) throw cause;
    throw placeError(name, "read", cause);
  }
}

/**
 * `files`: of one recording, in order of time; several where it was cut. The last may be a spool, as long as there is no file. `label`: the
 * machine's name, or that of one of its snapshots.
 */
export type SessionFiles = Omit<RecordedAbout, "file" | "path"> & { files: string[]; label: string };

/** `apart`: each segment is a recording of its own; `times`: segments without events of these need not be among the files. */
export function sessionFiles(path: string, apart = false, times?: ShownTimes): SessionFiles[] {
  const session = readSession(path);
  const all = session.machines.flatMap((machine) => recordingsOf(path, session, machine, { apart, times }));
  if (all.length > 0) return all;
  if (!isRunning(path)) throw new AgentError("input", `cannot read "${path}": it holds no recording`);
  const pid = lockHolder(path);
  const recorder = pid === undefined ? "a recorder" : `a recorder (pid ${pid})`;
  throw new AgentError("input", `cannot read "${path}": ${recorder} runs there, and no file of it is finished`, {
    remedy: `trace-agent status ${path} tells of it; wait for its first file, or: trace-agent snapshot ${path}, trace-agent stop ${path}`,
  });
}

function recordingsOf(
  path: string,
  { offsets, started: session }: SessionFile,
  { name: machine, kind, recordings }: SessionMachine,
  { apart, times }: { apart: boolean; times: ShownTimes | undefined },
): SessionFiles[] {
  const found: (SessionFiles & { segments: Segment[] })[] = [];
  /** By recording, of which these are segments. */
  const cut = new Map<string, { segments: Segment[] }>();
  const offset = Object.hasOwn(offsets, machine) ? offsets[machine] : undefined;
  let spools = 0;
  for (const [index, recording] of recordings.entries()) {
    const { file, state, number, trigger, started, traceId = "" } = recording;
    const spool = state === "recording" ? spoolOf(machine, ++spools) : undefined;
    const place = `${path}/${spool ?? file}`;
    // What was removed to make room, just now or by its user.
    if (number !== undefined && !existsSync(place)) continue;
    const earlier = cut.get(traceId);
    if (earlier !== undefined && trigger === undefined) {
      if (spool !== undefined && isRunning(path)) continue;
      // Where its clock stepped the same times may come twice.
      if (!apart && recording.step === undefined) {
        earlier.segments.push({ ...recording, file: place });
        continue;
      }
    }
    const label = trigger === undefined ? machine : file.replace(/\.dat$/, "");
    const about = { machine, kind, segment: number ?? index + 1, session, started };
    const own = { ...about, offset: recording.offset ?? offset, label, files: [] };
    const one = { ...own, segments: [{ ...recording, file: place }] };
    found.push(one);
    if (number !== undefined && trigger === undefined) cut.set(traceId, one);
  }
  for (const { files, segments } of found)
    files.push(...(times === undefined ? segments.map(({ file }) => file) : segmentsWithin(segments, kind, times)));
  return found;
}

function spoolOf(machine: string, count: number): string {
  return `${sessionSpools}/${count === 1 ? machine : `${machine}-${count}`}`;
}

/** Its recorder has the directory locked. */
function isRunning(path: string): boolean {
  const directory = Directory.openToRead(path);
  try {
    let free = true;
    directory.use((fd) => (free = tryLock(fd, true)));
    return !free;
  } finally {
    directory.close();
  }
}

/** By proc_locks(5): TYPE ADVISORY MODE PID MAJOR:MINOR:INODE ... Undefined where another namespace has it. */
function lockHolder(path: string): number | undefined {
  const { ino } = statSync(path);
  const [, pid = "0"] =
    new RegExp(String.raw`FLOCK +\w+ +WRITE (\d+) \w+:\w+:${ino} `).exec(readFileSync("/proc/locks", "utf8")) ?? [];
  return Number(pid) > 0 ? Number(pid) : undefined;
}

function readBounded(path: string): Uint8Array {
  const fd = openRegular(path);
  try {
    const bytes = Buffer.alloc(traceDatLimits.sessionBytes + 1);
    let size = 0;
    for (let got = -1; got !== 0 && size < bytes.length; size += got)
      got = readSync(fd, bytes, size, bytes.length - size, size);
    if (size < bytes.length) return bytes.subarray(0, size);
    throw new AgentError("input", `cannot read "${path}": it is larger than ${traceDatLimits.sessionBytes} bytes`);
  } finally {
    closeSync(fd);
  }
}
