/** Recordings of a scheduler that was never there. */
import type { Metadata, TraceMetadata } from "../../src/events/trace-metadata.ts";
import type { TraceSource } from "../../src/trace-dat/trace-source.ts";
import { madeFormat, madeSwitch, wakingFields } from "./made-formats.ts";
import { madeLayout, madeSource, madeStream } from "./made-sub-buffers.ts";

export const madeMetadata: Metadata = {
  cpus: 2,
  uname: "Linux 6.12.0 x86_64",
  cpuStats: [],
  traceClock: "local [mono_raw]",
  formats: [madeSwitch(1), madeFormat("sched_waking", 2, wakingFields, '"%d", REC->pid')].map((text) => ({
    system: "sched",
    text,
  })),
};

export type MadeTask = { pid: number; comm: string };
/** `lost`: events were lost before it. Its sub-buffer is a new one then. */
export type MadeSched = { time: number; cpu: number; by: number; lost?: boolean } & (
  | { prev: MadeTask; state: number; next: MadeTask }
  | { wakes: MadeTask; target: number }
);

/** `events` in any order; times count from `epoch`. */
export function madeStreams(events: readonly MadeSched[], cpus: number, epoch: bigint): Uint8Array<ArrayBuffer>[] {
  return Array.from({ length: cpus }, (_, cpu) =>
    madeStream(
      events
        .filter((event) => event.cpu === cpu)
        .toSorted((a, b) => a.time - b.time)
        .map((event) => ({ time: event.time, data: dataOf(event), lost: event.lost === true })),
      epoch,
    ),
  );
}

export function madeMachine(
  events: readonly MadeSched[],
  { epoch = 0n, cpus = 2, ...more }: { epoch?: bigint; cpus?: number } & Partial<TraceMetadata> = {},
): TraceSource {
  return madeSource({ ...madeMetadata, ...more, layout: madeLayout }, madeStreams(events, cpus, epoch));
}

function dataOf(event: MadeSched): Buffer {
  const data = Buffer.alloc("wakes" in event ? 36 : 64);
  const comm = (text: string, at: number): void => void data.write(text.slice(0, 15), at, "latin1");
  data.writeUInt16LE("wakes" in event ? 2 : 1, 0);
  data.writeInt32LE(event.by, 4);
  if ("wakes" in event) {
    comm(event.wakes.comm, 8);
    data.writeInt32LE(event.wakes.pid, 24);
    data.writeInt32LE(120, 28);
    data.writeInt32LE(event.target, 32);
    return data;
  }
  comm(event.prev.comm, 8);
  data.writeInt32LE(event.prev.pid, 24);
  data.writeInt32LE(120, 28);
  data.writeInt32LE(event.state, 32);
  comm(event.next.comm, 40);
  data.writeInt32LE(event.next.pid, 56);
  data.writeInt32LE(120, 60);
  return data;
}
