/** Recordings of made-up events. */
import type { TraceMetadata } from "../../../src/events/trace-metadata.ts";
import type { TraceSource } from "../../../src/trace-dat/trace-source.ts";
import { commonFields } from "../../support/common-fields.ts";
import { madeLayout, madeSource, madeStream, type MadeRecord } from "../../support/made-sub-buffers.ts";

const field = (declaration: string, offset: number): string =>
  `\tfield:${declaration};\toffset:${offset};\tsize:4;\tsigned:1;`;

const format = (name: string, id: number, fields: readonly string[]): string =>
  `name: ${name}\nID: ${id}\nformat:\n${commonFields}\n\n${fields.join("\n")}\n\nprint fmt: ""\n`;

export const metadata: TraceMetadata = {
  layout: madeLayout,
  cpus: 2,
  uname: "",
  cpuStats: [],
  traceClock: "[mono_raw]",
  formats: [
    { system: "sched", text: format("sched_switch", 1, [field("pid_t prev_pid", 8), field("pid_t next_pid", 12)]) },
    { system: "kvm", text: format("kvm_entry", 3, [field("unsigned int vcpu_id", 8), field("u32 rip", 12)]) },
    { system: "kvm", text: format("kvm_exit", 4, [field("unsigned int exit_reason", 8), field("u32 vcpu_id", 12)]) },
    { system: "test", text: format("mark", 2, [field("int number", 8), field("int other", 12)]) },
  ],
};

const numbers = { sched_switch: 1, mark: 2, kvm_entry: 3, kvm_exit: 4 };

/** An event of 16 bytes: common fields, then two numbers. `lost`: so many were lost before it, in a sub-buffer of its own. */
export type MadeEvent = { time: number; type: keyof typeof numbers; first: number; second: number; lost?: number };

/** `cpus`: each CPU's events in order of time; times count from `epoch`. */
export function madeRecording(cpus: readonly (readonly MadeEvent[])[], epoch = 0n, pid = 0): TraceSource {
  return madeSource(
    metadata,
    cpus.map((events) =>
      madeStream(
        events.map((event) => recordOf(event, pid)),
        epoch,
      ),
    ),
  );
}

function recordOf({ time, type, first, second, lost }: MadeEvent, pid: number): MadeRecord {
  const data = Buffer.alloc(16);
  data.writeUInt16LE(numbers[type], 0);
  data.writeInt32LE(pid, 4);
  data.writeInt32LE(first, 8);
  data.writeInt32LE(second, 12);
  return { time: Math.round(time), data, lost: lost !== undefined };
}
