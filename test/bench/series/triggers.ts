/**
 * What the trigger for latencies costs: CPU of watching sched_switch and sched_waking in the streams of machines of 2 and 4 CPUs, at
 * 200,000 events a second per CPU. This machine's own recording is repeated as often as it takes, each time later; the watch reads it as a
 * recorder's turns do, without waiting in between.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RunningStream } from "../../../src/host/machines/running-recorder.ts";
import { hostLimits } from "../../../src/host/limits.ts";
import { MachineWatch } from "../../../src/host/triggers/machine-watch.ts";
import { SubBufferCursor, type SubBufferLayout } from "../../../src/ring-buffer/sub-buffer.ts";
import { openTraceDat } from "../../../src/trace-dat/read/reader.ts";
import type { TraceMetadata } from "../../../src/events/trace-metadata.ts";
import { reasonWithoutTracefs } from "../../support/tracefs.ts";
import { agentExecutable } from "../support/agent-executable.ts";
import { runChild } from "../support/child.ts";
import type { Figure, Series } from "../support/series.ts";

const eventsPerSecond = 200_000;
const latency = { text: "latency=20s", kind: "latency", ns: 20e9 } as const;

export const triggers: Series = {
  name: "triggers",
  title: "what the trigger latency=TIME costs a recorder",
  guest: false,
  skipReason: () => reasonWithoutTracefs(),
  run: async ({ tiny, pairs }) => {
    const folder = mkdtempSync(join(tmpdir(), "trace-agent-bench-"));
    try {
      const path = join(folder, "sched.dat");
      const events = ["-e", "sched:sched_switch,sched:sched_waking"];
      await runChild([
        agentExecutable,
        "record",
        "--local",
        "--no-filter",
        ...events,
        "-d",
        tiny ? "0.3" : "3",
        "-o",
        path,
      ]);
      const recorded = Recorded.read(path);
      const seconds = tiny ? 0.2 : 10;
      const figures = [2, 4].map((cpus): Figure => {
        const ours = Array.from({ length: pairs }, () => costOf(recorded, cpus, seconds));
        return {
          name: `${cpus} CPUs: per 100,000 events/s`,
          unit: "cores",
          ours,
          reach: { value: 0.15, is: "most" },
        };
      });
      return { figures, notes: [`${recorded.events} events of this machine, repeated`] };
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};

/** Sub-buffers of one stream, one after the other. */
class Recorded {
  readonly metadata: TraceMetadata;
  readonly bytes: Uint8Array;
  readonly events: number;
  /** From the first to the last event, ns. */
  readonly spanNs: bigint;

  private constructor(metadata: TraceMetadata, bytes: Uint8Array, events: number, spanNs: bigint) {
    this.metadata = metadata;
    this.bytes = bytes;
    this.events = events;
    this.spanNs = spanNs;
  }

  /** The CPU with the most. */
  static read(path: string): Recorded {
    const source = openTraceDat(path);
    try {
      const streams = source.open().map((reader) => {
        const pieces: Buffer[] = [];
        const piece = new Uint8Array(new ArrayBuffer(256 * 1024));
        for (let got = reader.read(piece); got > 0; got = reader.read(piece))
          pieces.push(Buffer.from(piece.subarray(0, got)));
        return Buffer.concat(pieces);
      });
      const bytes = new Uint8Array(streams.reduce((most, one) => (one.length > most.length ? one : most)));
      const { events, last } = counted(bytes, source.metadata.layout);
      return new Recorded(source.metadata, bytes, events, BigInt(Math.ceil(last) + 1));
    } finally {
      source.close();
    }
  }

  /** It again and again, so that so many events come in a second; `to`: as far as it has come. */
  stream(cpu: number, to: number): RunningStream {
    const { bytes } = this;
    const { sizeBytes, littleEndian } = this.metadata.layout;
    const readAt = (target: Uint8Array, position: number): number => {
      const at = position % bytes.length;
      const count = Math.min(target.length, to - position, bytes.length - at);
      target.set(bytes.subarray(at, at + count));
      const view = new DataView(target.buffer, target.byteOffset, count);
      const later = this.spanNs * BigInt(Math.floor(position / bytes.length));
      for (let stamp = 0; stamp < count; stamp += sizeBytes)
        view.setBigUint64(stamp, view.getBigUint64(stamp, littleEndian) + later, littleEndian);
      return count;
    };
    return { cpu, from: 0, to, readAt };
  }
}

function counted(bytes: Uint8Array, layout: SubBufferLayout): { events: number; last: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const cursor = new SubBufferCursor(layout, view.getBigUint64(0, layout.littleEndian));
  let [events, last] = [0, 0];
  for (let at = 0; at < bytes.length; at += layout.sizeBytes) {
    cursor.reset(view, at);
    while (cursor.next()) {
      events++;
      last = cursor.timestamp;
    }
  }
  return { events, last };
}

/** Cores. */
function costOf(recorded: Recorded, cpus: number, seconds: number): number {
  const { metadata, bytes, events } = recorded;
  const facts = { name: "vm", metadata, since: new Map<number, bigint>(), latencyMs: 500 };
  const watch = new MachineWatch(facts, [latency], () => {});
  const turnMs = hostLimits.machinesTurnMs;
  const { sizeBytes } = metadata.layout;
  const bytesPerMs = ((bytes.length / events) * eventsPerSecond) / 1000;
  const turn = (number: number): void => {
    const to = Math.floor((number * turnMs * bytesPerMs) / sizeBytes) * sizeBytes;
    const streams = Array.from({ length: cpus }, (_, cpu) => recorded.stream(cpu, to));
    watch.turn(streams, number * turnMs, Infinity);
  };
  const turns = (seconds * 1000) / turnMs;
  // Compiled, and with as much held as is held.
  for (let number = 1; number <= turns / 2; number++) turn(number);
  const before = process.cpuUsage();
  for (let number = 1 + turns / 2; number <= turns; number++) turn(number);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6 / (seconds / 2) / ((cpus * eventsPerSecond) / 100_000);
}
