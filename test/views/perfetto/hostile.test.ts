/** Exports of recordings that are damaged, or made to do harm: an error or a trace, never anything else. */
import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { AgentError } from "../../../src/base/errors.ts";
import { finishExport } from "../../../src/views/exporter.ts";
import { PerfettoExport } from "../../../src/views/perfetto/perfetto-export.ts";
import { layoutOf } from "../../../src/ring-buffer/sub-buffer.ts";
import type { SubBufferReader, TraceSource } from "../../../src/trace-dat/trace-source.ts";
import { commonFields } from "../../support/common-fields.ts";
import { decodeFields } from "../../support/perfetto/rpc.ts";
import { inLongForm } from "../../support/long.ts";
import { inQuickForm } from "../../support/quick.ts";

const field = (declaration: string, offset: number, size: number): string =>
  `\tfield:${declaration};\toffset:${offset};\tsize:${size};\tsigned:1;\n`;
const format = (name: string, id: number, fields: string): string =>
  `name: ${name}\nID: ${id}\nformat:\n${commonFields}\n${fields}\nprint fmt: ""\n`;

const formats = [
  {
    system: "sched",
    text: format(
      "sched_switch",
      1,
      field("char prev_comm[16]", 8, 16) + field("pid_t prev_pid", 24, 4) + field("long prev_state", 32, 8),
    ),
  },
  { system: "ftrace", text: format("print", 2, field("unsigned long ip", 8, 8) + field("char buf[]", 16, 0)) },
  {
    system: "raw_syscalls",
    text: format("sys_enter", 3, field("long id", 8, 8) + field("unsigned long args[6]", 16, 48)),
  },
  {
    system: "any",
    text: format("dynamic", 4, field("__data_loc char[] text", 8, 4) + field("__rel_loc u16[] list", 12, 4)),
  },
  // More fields than Perfetto takes.
  {
    system: "any",
    text: format("wide", 5, Array.from({ length: 60 }, (_, index) => field(`u8 f${index}`, 8 + index, 1)).join("")),
  },
];

function source(bytes: Uint8Array, longBytes: 4 | 8): TraceSource {
  const reader = (cpu: number): SubBufferReader => {
    let at = 0;
    return {
      cpu,
      read: (target) => {
        const part = bytes.subarray(at, at + target.length);
        target.set(part);
        at += part.length;
        return part.length;
      },
    };
  };
  return {
    metadata: {
      layout: layoutOf(256, longBytes),
      formats,
      savedCommands: "1 init\n",
      savedTgids: "1 1\n2 1\n",
      cpus: 1,
      uname: "Linux h 6.1 x86_64",
      cpuStats: [{ cpu: 0, text: "entries: 0\noverrun: 5\n" }],
    },
    cpus: [0, 5000],
    open: () => [reader(0), reader(5000)],
    close: () => {},
  };
}

/** Throws for what is no trace: each packet, bundle and event has its length. */
function packetsOf(trace: Uint8Array): number {
  let events = 0;
  for (const packet of decodeFields(trace)) {
    expect(packet.number).toBe(1);
    for (const part of decodeFields(packet.bytes ?? new Uint8Array(0))) {
      if (part.number !== 1) continue;
      for (const entry of decodeFields(part.bytes ?? new Uint8Array(0))) {
        if (entry.number !== 2) continue;
        events++;
        const parts = [...decodeFields(entry.bytes ?? new Uint8Array(0))];
        expect(parts.slice(0, 2).map(({ number }) => number)).toEqual([1, 2]);
        expect(parts.length).toBe(3);
      }
    }
  }
  return events;
}

test("any sub-buffers give a sound trace", () => {
  const header = fc
    .tuple(fc.integer({ min: 1, max: 12 }), fc.nat(1000), fc.integer({ min: 0, max: 6 }))
    .map(([type, delta, id]) => ({ type, delta, id }));
  const event = fc.tuple(header, fc.uint8Array({ minLength: 48, maxLength: 48 }));
  const subBuffer = fc.tuple(
    fc.array(event, { maxLength: 8 }),
    fc.constantFrom(0, 0x8000_0000, 0xc000_0000),
    fc.boolean(),
  );
  const runs = inQuickForm(100, inLongForm(400, 20_000));
  let sound = 0;
  fc.assert(
    fc.property(
      fc.array(subBuffer, { maxLength: 6 }),
      fc.constantFrom(4 as const, 8 as const),
      (subBuffers, longBytes) => {
        const bytes = Buffer.concat(
          subBuffers.map(([events, flags, sound]) => {
            const buffer = new Uint8Array(256);
            const view = new DataView(buffer.buffer);
            let at = 8 + longBytes;
            for (const [{ type, delta, id }, data] of events) {
              if (at + 4 + type * 4 > 240) break;
              view.setUint32(at, ((delta << 5) | type) >>> 0, true);
              buffer.set(data.subarray(0, type * 4), at + 4);
              view.setUint16(at + 4, id, true);
              at += 4 + type * 4;
            }
            view.setUint32(8, ((sound ? at - 8 - longBytes : 4000) | flags) >>> 0, true);
            return buffer;
          }),
        );
        const parts: Buffer[] = [];
        try {
          const exporting = new PerfettoExport([source(bytes, longBytes)], (part) => parts.push(Buffer.from(part)));
          finishExport(exporting);
          expect(exporting.counts.skippedCpus).toBe(1);
          expect(packetsOf(Buffer.concat(parts))).toBe(exporting.counts.events);
          sound++;
        } catch (error) {
          if (!(error instanceof AgentError)) throw error;
        }
      },
    ),
    { numRuns: runs },
  );
  expect(sound).toBeGreaterThan(runs / 2);
}, 300_000);
