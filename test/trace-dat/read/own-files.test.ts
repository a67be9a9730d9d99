/** What this program writes is what this program reads, in both versions. */
import { describe, expect, test } from "bun:test";
import { openTraceDat } from "../../../src/trace-dat/read/reader.ts";
import { traceDatFormats, writeTraceDat } from "../../../src/trace-dat/write/write.ts";
import { metadataOf, subBuffer, subBufferBytes, withRecording } from "../../support/sub-buffers.ts";

const format = (name: string): string => `name: ${name}\nID: 1\nformat:\n\nprint fmt: "x"\n`;
const metadata = metadataOf({
  "events/header_page": "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n",
  "events/header_event": "EVENT\n",
  "events/ftrace/print/format": format("print"),
  "events/sched/sched_switch/format": format("sched_switch"),
  kallsyms: "ffff T start\n",
  printk_formats: '0x1 : "x"\n',
  saved_cmdlines: "1 init\n9 b\xe4r\n",
  trace_clock: "local [mono] boot\n",
  "per_cpu/cpu1/stats": "entries: 7\n",
});

/** More than one chunk of version 7, none, and one after a loss. */
const streams = {
  0: Buffer.concat(Array.from({ length: 150 }, (_, index) => subBuffer(3, index))),
  2: Buffer.concat([subBuffer(2, 0xb0), subBuffer(1, 0xb1, 7)]),
};

function readAll(path: string): { cpu: number; bytes: Buffer }[] {
  const source = openTraceDat(path);
  try {
    return source.open().map((reader) => {
      const block = new Uint8Array(7 * subBufferBytes);
      const parts: Buffer[] = [];
      for (let got = reader.read(block); got > 0; got = reader.read(block))
        parts.push(Buffer.from(block.slice(0, got)));
      return { cpu: reader.cpu, bytes: Buffer.concat(parts) };
    });
  } finally {
    source.close();
  }
}

describe.each(traceDatFormats)("a %s file of ours", (version) => {
  test("gives back every sub-buffer of every CPU", () => {
    withRecording(3, streams, metadata, (recording, directory) => {
      writeTraceDat(`${directory}/out.dat`, recording, version);
      const read = readAll(`${directory}/out.dat`);
      expect(read.map(({ cpu, bytes }) => [cpu, bytes.length])).toEqual([
        [0, 150 * subBufferBytes],
        [1, 0],
        [2, 2 * subBufferBytes],
      ]);
      expect(read[0]?.bytes.equals(streams[0])).toBe(true);
      expect(read[2]?.bytes.equals(streams[2])).toBe(true);
    });
  });

  test("gives back what it knows of the kernel", () => {
    withRecording(3, streams, metadata, (recording, directory) => {
      writeTraceDat(`${directory}/out.dat`, recording, version);
      const source = openTraceDat(`${directory}/out.dat`);
      const { kallsyms, formats, ...rest } = source.metadata;
      const texts = formats.map(({ system, text }) => ({ system, text }));
      source.close();
      expect(Buffer.from(kallsyms ?? "").toString()).toBe("ffff T start\n");
      expect(texts).toEqual([
        { system: "ftrace", text: format("print") },
        { system: "sched", text: format("sched_switch") },
      ]);
      expect(rest).toMatchObject({
        layout: { sizeBytes: subBufferBytes, longBytes: 8, littleEndian: true },
        printkFormats: '0x1 : "x"\n',
        savedCommands: "1 init\n9 b\xe4r\n",
        traceClock: "[mono]",
        uname: "Linux 6.12 x86_64",
        cpuStats: [{ cpu: 1, text: "entries: 7\n" }],
      });
    });
  });
});
