/** The bytes of a trace.dat, against bytes put together here by hand from trace-cmd.dat.v6(5) and v7(5). */
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { zstdDecompressSync } from "node:zlib";
import { writeTraceDat } from "../../../src/trace-dat/write/write.ts";
import { metadataOf, subBuffer, withRecording } from "../../support/sub-buffers.ts";

const le = (size: number, value: number): Buffer => {
  const bytes = Buffer.alloc(size);
  bytes.writeUInt32LE(value);
  return bytes;
};
const u16 = (value: number): Buffer => le(4, value).subarray(0, 2);
const u32 = (value: number): Buffer => le(4, value);
const u64 = (value: number): Buffer => le(8, value);
const join = (...parts: (Buffer | Buffer[])[]): Buffer => Buffer.concat(parts.flat());
const ascii = (text: string): Buffer => Buffer.from(text, "latin1");

const metadata = metadataOf({
  "events/header_page": "PAGE\n",
  "events/header_event": "EVENT\n",
  "events/ftrace/print/format": "name: print\n",
  "events/sched/sched_switch/format": "name: sched_switch\n",
  "events/sched/sched_waking/format": "name: sched_waking\n",
  "events/irq/irq_handler_entry/format": "name: irq_handler_entry\n",
  kallsyms: "ffff T start\n",
  printk_formats: '0x1 : "x"\n',
  saved_cmdlines: "1 init\n\xff9 b\xe4r\n",
  trace_clock: "local [mono] boot\n",
  "per_cpu/cpu1/stats": "entries: 0\n",
});

const bodies = {
  headers: [ascii("header_page\0"), u64(5), ascii("PAGE\n"), ascii("header_event\0"), u64(6), ascii("EVENT\n")],
  ftrace: [u32(1), u64(12), ascii("name: print\n")],
  events: [
    [u32(2), ascii("sched\0"), u32(2), u64(19), ascii("name: sched_switch\n"), u64(19), ascii("name: sched_waking\n")],
    [ascii("irq\0"), u32(1), u64(24), ascii("name: irq_handler_entry\n")],
  ].flat(),
  kallsyms: [u32(13), ascii("ffff T start\n")],
  printk: [u32(10), ascii('0x1 : "x"\n')],
  cmdlines: [u64(14), ascii("1 init\n\xff9 b\xe4r\n")],
};

const options = [
  [u16(4), u32(19), ascii("local [mono] boot\n\0")],
  [u16(5), u32(18), ascii("Linux 6.12 x86_64\0")],
  [u16(9), u32(17), ascii("trace-agent test\0")],
  [u16(11), u32(8), Buffer.from("efcdab8967452301", "hex")],
  [u16(8), u32(4), u32(3)],
  [u16(2), u32(19), ascii("CPU: 1\nentries: 0\n\0")],
].flat();

/** CPU 0 has one sub-buffer, CPU 1 none, CPU 2 two, the second after a loss. */
const streams = { 0: subBuffer(3, 0xa0), 2: Buffer.concat([subBuffer(2, 0xb0), subBuffer(1, 0xb1, 7)]) };

describe("writeTraceDat() in version 6", () => {
  test("writes the bytes that trace-cmd.dat.v6(5) tells", () => {
    withRecording(3, streams, metadata, (recording, directory) => {
      writeTraceDat(`${directory}/out.dat`, recording, "v6");
      const head = join(
        [Buffer.from([0x17, 8, 0x44]), ascii("tracing6\0"), Buffer.from([0, 8]), u32(4096)],
        Object.values(bodies).flat(),
        [u32(3), ascii("options  \0"), ...options, u16(0), ascii("flyrecord\0")],
        [u64(4096), u64(4096), u64(8192), u64(0), u64(8192), u64(8192)],
        [u64(6), ascii("[mono]")],
      );
      expect(head.length).toBeLessThan(4096);
      const expected = Buffer.concat([head, Buffer.alloc(4096 - head.length), streams[0], streams[2]]);
      expect(readFileSync(`${directory}/out.dat`).toString("hex")).toBe(expected.toString("hex"));
    });
  });

  test("takes only the part of a spool file that belongs to the recording", () => {
    const stale = subBuffer(9, 0xee);
    withRecording(1, { 0: Buffer.concat([stale, subBuffer(3), stale]) }, metadata, (recording, directory) => {
      const stream = { ...recording.streams[0]!, skipBytes: 4096, bytes: 4096 };
      const { cpus } = writeTraceDat(`${directory}/out.dat`, { ...recording, streams: [stream] }, "v6");
      expect(cpus).toEqual([{ cpu: 0, bytes: 4096, events: 3, lostEvents: 0, unknownLosses: 0, damaged: 0 }]);
      expect(readFileSync(`${directory}/out.dat`).subarray(-4096).equals(subBuffer(3))).toBe(true);
    });
  });

  test("counts bytes, events and losses per CPU", () => {
    withRecording(3, streams, metadata, (recording, directory) => {
      const { cpus } = writeTraceDat(`${directory}/out.dat`, recording, "v6");
      expect(cpus.map(({ bytes, events, lostEvents }) => [bytes, events, lostEvents])).toEqual([
        [4096, 3, 0],
        [0, 0, 0],
        [8192, 3, 7],
      ]);
    });
  });

  test("leaves nothing behind when it fails, and what stood there before stays", () => {
    withRecording(1, { 0: subBuffer(1) }, metadata, (recording, directory) => {
      writeTraceDat(`${directory}/out.dat`, recording, "v6");
      const before = readFileSync(`${directory}/out.dat`);
      const short = { ...recording.streams[0]!, bytes: 8192 };
      const write = (): unknown => writeTraceDat(`${directory}/out.dat`, { ...recording, streams: [short] }, "v6");
      expect(write).toThrow(/it is shorter than it was/);
      expect(readFileSync(`${directory}/out.dat`).equals(before)).toBe(true);
      expect(readdirSync(directory).sort()).toEqual(["cpu0.raw", "out.dat"]);
    });
  });
});

describe("writeTraceDat() in version 7", () => {
  test("writes the sections that trace-cmd.dat.v7(5) tells, compressed with zstd", () => {
    withRecording(3, streams, metadata, (recording, directory) => {
      const { cpus } = writeTraceDat(`${directory}/out.dat`, recording, "v7");
      expect(cpus.map(({ events }) => events)).toEqual([3, 0, 3]);
      const bytes = readFileSync(`${directory}/out.dat`);
      const start = Buffer.concat([
        Buffer.from([0x17, 8, 0x44]),
        ascii("tracing7\0"),
        Buffer.from([0, 8]),
        u32(4096),
        ascii("zstd\0"),
      ]);
      expect(bytes.subarray(0, start.length).toString("hex")).toBe(start.toString("hex"));
      const pointer = bytes.indexOf(0, start.length) + 1;

      const unpack = (position: number, id: number): Buffer => {
        expect(bytes.readUInt16LE(position)).toBe(id);
        expect(bytes.readUInt16LE(position + 2)).toBe(1);
        const packed = bytes.readUInt32LE(position + 16);
        expect(Number(bytes.readBigUInt64LE(position + 8))).toBe(packed + 8);
        const body = zstdDecompressSync(bytes.subarray(position + 24, position + 24 + packed));
        expect(body.length).toBe(bytes.readUInt32LE(position + 20));
        return body;
      };
      let position = pointer + 8;
      for (const [index, body] of Object.values(bodies).entries()) {
        expect(unpack(position, 16 + index).toString("latin1")).toBe(Buffer.concat(body).toString("latin1"));
        position += 16 + Number(bytes.readBigUInt64LE(position + 8));
      }
      const dataPosition = position;
      expect(bytes.readUInt16LE(dataPosition)).toBe(3);
      position += 16 + Number(bytes.readBigUInt64LE(position + 8));
      const strings = unpack(position, 15).toString("latin1").split("\0");
      expect(strings).toContain("buffer flyrecord");

      const optionsPosition = Number(bytes.readBigUInt64LE(pointer));
      expect(bytes.readUInt16LE(optionsPosition)).toBe(0);
      const found = bytes.subarray(optionsPosition + 16);
      expect(found.subarray(0, Buffer.concat(options).length).equals(Buffer.concat(options))).toBe(true);
      expect(found.subarray(-14).equals(Buffer.concat([u16(0), u32(8), u64(0)]))).toBe(true);
      const buffer = found.subarray(Buffer.concat(options).length + 6 * 14);
      expect(buffer.readUInt16LE(0)).toBe(3);
      expect(Number(buffer.readBigUInt64LE(6))).toBe(dataPosition);
      expect(buffer.subarray(14, 20).toString("latin1")).toBe("\0mono\0");
      const cpu2 = buffer.subarray(14 + 6 + 8 + 2 * 20);
      const at = Number(cpu2.readBigUInt64LE(4));
      expect([cpu2.readUInt32LE(0), at % 4096, bytes.readUInt32LE(at)]).toEqual([2, 0, 1]);
      const data = zstdDecompressSync(bytes.subarray(at + 12, at + 12 + bytes.readUInt32LE(at + 4)));
      expect(data.equals(streams[2])).toBe(true);
    });
  });
});
