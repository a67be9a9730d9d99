/** Numbered markers: written by a process pinned to a CPU, found again in the raw sub-buffers of that CPU's stream. */
import { spawnSync } from "node:child_process";
import { markerProgram } from "./marker-program.ts";

const markerPattern = /MARK (\d+) (\d+)/g;

/** Writes the markers of each of `cpus`, one CPU after the other, and waits for the end. */
export function writeMarkers(instancePath: string, cpus: readonly number[], from: number, count: number): void {
  for (const cpu of cpus) {
    const args = [`${instancePath}/trace_marker`, cpu, from, count].map(String);
    const { status, stderr } = spawnSync(markerProgram(), args, { encoding: "utf8" });
    if (status !== 0) throw new Error(`marker writer failed on CPU ${cpu}: ${stderr}`);
  }
}

/** The numbers of all markers of `cpu` in a stream of sub-buffers, in the order in which they stand. */
export function findMarkers(stream: Uint8Array, cpu: number): number[] {
  const numbers: number[] = [];
  for (const [, from, number] of Buffer.from(stream.buffer, stream.byteOffset, stream.byteLength)
    .toString("latin1")
    .matchAll(markerPattern)) {
    if (Number(from) === cpu) numbers.push(Number(number));
  }
  return numbers;
}
