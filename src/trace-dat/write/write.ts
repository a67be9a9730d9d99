/** Writes a recording to a trace.dat, and counts its events on the way. */
import { AgentError, messageOf } from "../../base/errors.ts";
import { EventCounter, type EventTally } from "../../ring-buffer/event-count.ts";
import { OutputFile } from "../../base/output-file.ts";
import type { OutputPlace } from "../../base/output-place.ts";
import type { Recording } from "./recording.ts";
import { writeV6 } from "./v6.ts";
import { writeV7 } from "./v7.ts";

export const traceDatFormats = ["v6", "v7"] as const;
export type TraceDatFormat = (typeof traceDatFormats)[number];

export type CpuTally = { cpu: number; bytes: number } & EventTally;

/** `bytes`: the size of the file. */
export type Written = { bytes: number; cpus: CpuTally[] };

/** The file appears only when it is whole. */
export function writeTraceDat(output: string | OutputPlace, recording: Recording, format: TraceDatFormat): Written {
  const writing = writeTraceDatInSteps(output, recording, format);
  for (;;) {
    const step = writing.next();
    if (step.done === true) return step.value;
  }
}

/** Yields between pieces of data. A caller that wants no more throws into it, which leaves no file. */
export function* writeTraceDatInSteps(
  output: string | OutputPlace,
  recording: Recording,
  format: TraceDatFormat,
): Generator<number, Written> {
  const tallies = Array.from({ length: recording.cpus }, (_, cpu) => newTally(cpu));
  const counter = new EventCounter(recording.layout);
  const observe = (cpu: number, subBuffers: Uint8Array): void => {
    const tally = tallies[cpu];
    if (tally === undefined) return;
    tally.bytes += subBuffers.length;
    counter.add(subBuffers, tally);
  };
  let file: OutputFile | undefined;
  try {
    file = new OutputFile(output);
    if (format === "v6") yield* writeV6(file, recording, observe);
    else yield* writeV7(file, recording, observe);
    file.finish();
    return { bytes: file.position, cpus: tallies };
  } catch (cause) {
    if (cause instanceof AgentError) throw cause;
    throw new AgentError(
      "io",
      `cannot write "${typeof output === "string" ? output : output.path}": ${messageOf(cause)}`,
      { cause },
    );
  } finally {
    // Does nothing to a file that is finished.
    file?.abandon();
  }
}

export function newTally(cpu: number): CpuTally {
  return { cpu, bytes: 0, events: 0, lostEvents: 0, unknownLosses: 0, damaged: 0 };
}

/** Of the same CPU, of another part of the recording. */
export function addTally(sum: CpuTally | undefined, more: CpuTally): void {
  if (sum === undefined) return;
  sum.bytes += more.bytes;
  sum.events += more.events;
  sum.lostEvents += more.lostEvents;
  sum.unknownLosses += more.unknownLosses;
  sum.damaged += more.damaged;
}
