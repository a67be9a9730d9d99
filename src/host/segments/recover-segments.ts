/** Makes segments of what a recorder left in pieces that was killed: those that were cut and not written, and the rest. */
import { statSync } from "node:fs";
import { EndRequest, letEventsThrough } from "../../base/end-request.ts";
import { AgentError } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import { openTraceDat } from "../../trace-dat/read/reader.ts";
import type { SessionRecording } from "../../trace-dat/session/session-file.ts";
import { parseRecordingCounts } from "../../trace-dat/recording-counts.ts";
import type { SessionDirectory } from "../machines/session-directory.ts";
import type { Unfinished } from "../machines/unfinished.ts";
import { MachineStream } from "./machine-stream.ts";
import { planLeft, planSegments, type SegmentPlan } from "./segment-plan.ts";
import { bytesOf, type Keep, SegmentStore, stepOf } from "./segment-store.ts";
import { listSnapshots } from "./unlisted-snapshots.ts";

/** What is missing from the whole, by sentences. `keep`: of the recorder that comes now; the oldest segments make room for those of the pieces. */
export async function recoverSegments(
  directory: SessionDirectory,
  left: readonly Unfinished[],
  keep: Keep,
): Promise<string[]> {
  if (left.length === 0) return [];
  const store = new SegmentStore(directory, keep, { bytes: 0 });
  const end = new EndRequest();
  const missing: string[] = [];
  try {
    for (const one of left) listSnapshots(store, one);
    const streams = left.flatMap((one) => opened(one, missing));
    const host = streams.find(({ stream }) => stream.kind === "host")?.stream;
    const guests = streams.filter(({ stream }) => stream.kind === "guest").map(({ stream }) => stream);
    const spoolBytes = (): number => streams.reduce((sum, { stream }) => sum + stream.spoolBytes + stream.toldBytes, 0);
    for (const { stream, unfinished } of streams) {
      try {
        await recover({ stream, unfinished, store, timeline: { host, guests }, spoolBytes }, () => end.count > 0);
        missing.push(...told(unfinished));
      } catch (error) {
        if (!(error instanceof AgentError)) throw error;
        stream.spool.close();
        missing.push(`${stream.name}: ${error.message}; what was received is kept in ${stream.spool.path}`);
      }
    }
    directory.note();
    return missing;
  } finally {
    end.close();
  }
}

function opened(unfinished: Unfinished, missing: string[]): { stream: MachineStream; unfinished: Unfinished }[] {
  const { machine, spool } = unfinished;
  try {
    return [{ stream: MachineStream.left(machine.name, machine.kind, spool), unfinished }];
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    spool.close();
    missing.push(`${machine.name}: ${error.message}`);
    return [];
  }
}

type Work = {
  stream: MachineStream;
  unfinished: Unfinished;
  store: SegmentStore;
  timeline: { host: MachineStream | undefined; guests: readonly MachineStream[] };
  /** Of all that are left. */
  spoolBytes: () => number;
};

async function recover(
  { stream, unfinished, store, timeline, spoolBytes }: Work,
  isEnough: () => boolean,
): Promise<void> {
  const { directory } = store;
  const { machine, recording } = unfinished;
  let { started = new Date().toISOString() } = recording;
  let count = 0;
  const write = async (plan: SegmentPlan): Promise<void> => {
    const { number, file, to, ended } = plan;
    if (isEnough()) throw new AgentError("io", `interrupted: trace-agent recover ${directory.path}`);
    store.passNumber(number);
    // Killed between the file and the word that it is whole.
    if ((bytesOf(plan) > 0 || plan.end.size > 0) && !directory.segments.has(machine.name, file)) {
      store.makeRoom(bytesOf(plan) + store.marginOf(to.size), spoolBytes());
      await store.write(plan, timeline, letEventsThrough);
      directory.note();
      count++;
    } else if (!machine.recordings.some((one) => one.file === file && one !== recording)) {
      const known: SessionRecording = {
        file,
        number,
        started,
        ended,
        state: "whole",
        ...stepOf(plan),
        ...measuresOf(`${directory.path}/${file}`),
        ...(recording.traceId === undefined ? {} : { traceId: recording.traceId }),
      };
      store.add(machine, known, recording);
    }
    // Killed here, the next one finds the file and no bytes for it.
    stream.removeBelow(to);
    started = ended;
  };
  const cuts = stream.spool.readCuts().left;
  for (const [index, cut] of cuts.entries()) {
    started = cut.started;
    const ended = cuts[index + 1]?.started ?? new Date().toISOString();
    const plan = planLeft(stream, cut, ended);
    stream.pass({ ...stream.eras.read(cut), to: plan.to });
    await write(plan);
  }
  if (stream.pendingBytes > 0) {
    // Noted: killed when the file is there, and the pieces are too, it is not to be made again.
    const plans = planSegments(stream, stream.whole, {
      started,
      ended: new Date().toISOString(),
      times: { from: undefined, to: undefined },
      nextNumber: () => store.nextNumber(),
      fileOf: (begun, number) => store.fileOf(machine.name, begun, number),
    });
    for (const plan of plans) await write(plan);
  }
  const place = machine.recordings.indexOf(recording);
  if (place >= 0) machine.recordings.splice(place, 1);
  log.info(`${machine.name}: ${count} segments made of what was received and not in a file`);
  // Before the spool goes: nobody would know then what is in files.
  directory.note();
  stream.spool.remove();
}

/** Of a segment's file, as its own statistics tell. */
function measuresOf(path: string): { bytes: number; events: number } {
  const source = openTraceDat(path);
  try {
    const counts = (source.metadata.cpuStats ?? []).map(({ text }) => parseRecordingCounts(text).events);
    return { bytes: statSync(path).size, events: counts.reduce<number>((sum, events) => sum + (events ?? 0), 0) };
  } finally {
    source.close();
  }
}

/** The last one is not whole: nobody knows what the guest still had. */
function told({ machine, recording, trouble }: Unfinished): string[] {
  if (trouble === undefined) return [];
  const last = machine.recordings.findLast(({ traceId }) => traceId === recording.traceId);
  if (last !== undefined) Object.assign(last, { state: "incomplete", reason: `it ended early: ${trouble}` });
  return [`${machine.name}: it ended early: ${trouble}`];
}
