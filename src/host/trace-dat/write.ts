/** Writes a recording to a trace.dat, and counts its events on the way. */
import { AgentError, messageOf } from "../../errors.ts";
import { EventCounter, type EventTally } from "../../kernel/event-count.ts";
import { OutputFile } from "./output-file.ts";
import type { Recording } from "./recording.ts";
import { writeV6 } from "./v6.ts";
import { writeV7 } from "./v7.ts";

export const traceDatFormats = ["v6", "v7"] as const;
export type TraceDatFormat = (typeof traceDatFormats)[number];

export type CpuTally = { cpu: number; bytes: number } & EventTally;

/** The file appears only when it is whole. `bytes` is its size. */
export function writeTraceDat(path: string, recording: Recording, format: TraceDatFormat): { bytes: number; cpus: CpuTally[] } {
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
    file = new OutputFile(path);
    if (format === "v6") writeV6(file, recording, observe);
    else writeV7(file, recording, observe);
    file.finish();
    return { bytes: file.position, cpus: tallies };
  } catch (cause) {
    file?.abandon();
    if (cause instanceof AgentError) throw cause;
    throw new AgentError("io", `cannot write "${path}": ${messageOf(cause)}`, { cause });
  }
}

function newTally(cpu: number): CpuTally {
  return { cpu, bytes: 0, events: 0, lostEvents: 0, unknownLosses: 0, damaged: 0 };
}
