/** Recordings that mean harm, and are too large to be kept: small to store or send, large to read. */
import { commonFields } from "./common-fields.ts";
import { switchFields } from "./made-formats.ts";
import { type KernelFiles, plainTraceDat } from "./plain-trace-dat.ts";
import { inQuickForm } from "./quick.ts";
import { joinTraceDat, type Section } from "./trace-dat-sections.ts";

const MiB = 1024 * 1024;
const headerPage =
  "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n" +
  "\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n\tfield: char data;\toffset:16;\tsize:4080;\tsigned:1;\n";
const unsignedA = "\tfield:unsigned long a;\toffset:8;\tsize:8;\tsigned:0;\n";
const numberFormat = (id: number, name: string): string => formatText(id, name, unsignedA, '"%lu", REC->a');

function formatText(id: number, name: string, fields: string, print: string): string {
  return `name: ${name}\nID: ${id}\nformat:\n${commonFields}\n${fields}\nprint fmt: ${print}\n`;
}

const u32 = (value: number): Buffer => Buffer.from(new Uint32Array([value]).buffer);
const u64 = (value: number | bigint): Buffer => Buffer.from(new BigUint64Array([BigInt(value)]).buffer);
const name = (text: string): Buffer => Buffer.from(`${text}\0`, "latin1");
const long = (text: string): Buffer => Buffer.concat([u64(text.length), Buffer.from(text, "latin1")]);

/** A sub-buffer with the given events of data. */
export function page(stamp: bigint, events: readonly Uint8Array[]): Buffer {
  const bytes = Buffer.alloc(4096);
  let at = 16;
  for (const data of events) {
    bytes.writeUInt32LE((data.length / 4) | (1000 << 5), at);
    bytes.set(data, at + 4);
    at += 4 + data.length;
  }
  bytes.writeBigUInt64LE(stamp, 0);
  bytes.writeUInt32LE(at - 16, 8);
  return bytes;
}

export function eventData(id: number, pid: number, rest: Uint8Array = new Uint8Array(8)): Buffer {
  const data = Buffer.alloc(8 + rest.length);
  data.writeUInt16LE(id, 0);
  data.writeInt32LE(pid, 4);
  data.set(rest, 8);
  return data;
}

/** With one event, whose format is given; and whatever else is. */
export function plainFile(
  files: Partial<KernelFiles> = {},
  fields = unsignedA,
  print = '"%lu", REC->a',
  system = "x",
): Buffer {
  return plainTraceDat(
    {
      headerPage,
      headerEvent: "x",
      formats: new Map([[system, [formatText(5, "y", fields, print)]]]),
      kallsyms: new Uint8Array(0),
      printkFormats: "",
      savedCommands: "1 init\n",
      clock: "[local]",
      uname: "Linux",
      stats: [],
      ...files,
    },
    [page(1_000_000_000n, [eventData(5, 1), eventData(5, 1)])],
  );
}

export function packedSections(content: {
  formats?: readonly string[];
  kallsyms?: Uint8Array;
  printk?: Uint8Array;
  commands?: Uint8Array;
}): Section[] {
  const { formats = [numberFormat(5, "y")], kallsyms, printk, commands } = content;
  const system = Buffer.concat([u32(1), name("x"), u32(formats.length), ...formats.map((text) => long(text))]);
  const counted = (bytes: Uint8Array, size: Buffer): Buffer => Buffer.concat([size, bytes]);
  const sections: Section[] = [
    { id: 16, body: Buffer.concat([name("header_page"), long(headerPage), name("header_event"), long("x")]) },
    { id: 18, body: system },
  ];
  if (kallsyms !== undefined) sections.push({ id: 19, body: counted(kallsyms, u32(kallsyms.length)) });
  if (printk !== undefined) sections.push({ id: 20, body: counted(printk, u32(printk.length)) });
  if (commands !== undefined) sections.push({ id: 21, body: counted(commands, u64(commands.length)) });
  return sections;
}

const oneCpu = [{ cpu: 0, chunks: [page(1_000_000_000n, [eventData(5, 1)])] }];
const hugeSubBuffer = Buffer.alloc(8 * MiB);
const lines = (bytes: number, text = "\n"): Buffer => Buffer.alloc(bytes, text);

/** A sixth in the quick form. */
const many = (count: number): number => inQuickForm(Math.round(count / 6), count);

const tinyChunks = (chunk: Buffer): Buffer =>
  joinTraceDat({ sections: packedSections({}), options: [] }, [
    { cpu: 0, chunks: Array.from({ length: many(130_000) }, () => chunk) },
  ]);

/** A switch to another task in each event. */
function switching(events: number): { sections: Section[]; chunks: Buffer[] } {
  const text = formatText(5, "sched_switch", switchFields.join(""), '"x"');
  const system = Buffer.concat([u32(1), name("sched"), u32(1), long(text)]);
  const pages = Array.from({ length: Math.ceil(events / 40) }, (_, index) => {
    const data = Array.from({ length: 40 }, (__, switches) => {
      const pid = 1 + index * 40 + switches;
      const rest = Buffer.alloc(56);
      rest.write(`task${pid}`, 0);
      rest.writeInt32LE(pid, 16);
      rest.write(`task${pid + 1}`, 32);
      rest.writeInt32LE(pid + 1, 48);
      return eventData(5, pid, rest);
    });
    return page(1_000_000_000n + BigInt(index * 4_000_000), data);
  });
  const chunks = Array.from({ length: Math.ceil(pages.length / 64) }, (_, index) =>
    Buffer.concat(pages.slice(index * 64, index * 64 + 64)),
  );
  return {
    sections: packedSections({}).map((section) => (section.id === 18 ? { id: 18, body: system } : section)),
    chunks,
  };
}

const emptyChunk = Buffer.alloc(MiB / 4);
const largeChunk = Buffer.concat([page(1_000_000_000n, [eventData(5, 1)]), Buffer.alloc(MiB / 4 - 4096)]);

/** By name; each is made when it is asked for. */
export const hostileFiles: Record<string, () => Buffer> = {
  "kallsyms of newlines": () =>
    joinTraceDat({ sections: packedSections({ kallsyms: lines(36 * MiB) }), options: [] }, oneCpu),
  "kallsyms of short lines": () =>
    joinTraceDat(
      {
        sections: packedSections({
          kallsyms: lines(36 * MiB, "f t a\n"),
          formats: [formatText(5, "y", unsignedA, '"%pS", REC->a')],
        }),
        options: [],
      },
      oneCpu,
    ),
  "kallsyms of 100 MiB": () =>
    joinTraceDat({ sections: packedSections({ kallsyms: lines(100 * MiB) }), options: [] }, oneCpu),
  "printk_formats of many strings": () =>
    joinTraceDat(
      {
        sections: packedSections({
          printk: Buffer.from(
            Array.from(
              { length: 160_000 },
              (_, index) => `0x${(0xffffffff82000000n + BigInt(index)).toString(16)} : "a string of the kernel"\n`,
            ).join(""),
          ),
          formats: [formatText(5, "y", unsignedA, '"%s", REC->a')],
        }),
        options: [],
      },
      oneCpu,
    ),
  "task names of newlines": () =>
    joinTraceDat({ sections: packedSections({ commands: lines(4 * MiB) }), options: [] }, oneCpu),
  "task names by the hundred thousand": () =>
    joinTraceDat(
      {
        sections: packedSections({
          commands: Buffer.from(Array.from({ length: 400_000 }, (_, pid) => `${pid} a\n`).join("")),
        }),
        options: [],
      },
      oneCpu,
    ),
  "formats by the ten thousand": () =>
    joinTraceDat(
      {
        sections: packedSections({ formats: Array.from({ length: 60_000 }, (_, id) => numberFormat(id, `y${id}`)) }),
        options: [],
      },
      oneCpu,
    ),
  "a format of 30 MiB": () =>
    joinTraceDat(
      { sections: packedSections({ formats: [numberFormat(5, "y") + " ".repeat(30 * MiB)] }), options: [] },
      oneCpu,
    ),
  "options of 96 MiB": () =>
    joinTraceDat(
      {
        sections: packedSections({}),
        options: Array.from({ length: 6 }, () => ({ id: 5, body: Buffer.alloc(16 * MiB) })),
      },
      oneCpu,
    ),
  "options by the hundred thousand": () =>
    joinTraceDat(
      {
        sections: packedSections({}),
        options: Array.from({ length: 100_000 }, () => ({ id: 5, body: Buffer.alloc(0) })),
      },
      oneCpu,
    ),
  "chunks of a byte by the ten thousand": () => tinyChunks(Buffer.alloc(1)),
  "empty chunks by the ten thousand": () => tinyChunks(Buffer.alloc(0)),
  "a chunk of 64 MiB": () =>
    joinTraceDat({ sections: packedSections({}), options: [] }, [{ cpu: 0, chunks: [Buffer.alloc(64 * MiB)] }]),
  "a gigabyte of empty sub-buffers": () =>
    joinTraceDat({ sections: packedSections({}), options: [] }, [
      { cpu: 0, chunks: Array.from({ length: 4_000 }, () => emptyChunk) },
    ]),
  "CPUs of large chunks by the hundred": () =>
    joinTraceDat(
      { sections: packedSections({}), options: [] },
      Array.from({ length: many(1_000) }, (_, cpu) => ({
        cpu,
        chunks: [largeChunk],
      })),
    ),
  "an event of CPU 4,294,967,294": () =>
    joinTraceDat({ sections: packedSections({}), options: [] }, [
      { cpu: 2 ** 32 - 2, chunks: [page(1_000_000_000n, [eventData(5, 1)])] },
    ]),
  "a new task in each of a hundred thousand events": () => {
    const { sections, chunks } = switching(many(300_000));
    return joinTraceDat({ sections, options: [] }, [{ cpu: 0, chunks }]);
  },
  "8 MiB sub-buffers of 500 CPUs": () =>
    joinTraceDat(
      { sections: packedSections({}), options: [] },
      Array.from({ length: 500 }, (_, cpu) => ({ cpu, chunks: [hugeSubBuffer] })),
      { pageSize: hugeSubBuffer.length },
    ),
  "64 MiB of statistics": () =>
    joinTraceDat(
      {
        sections: packedSections({}),
        options: Array.from({ length: 4_000 }, () => ({ id: 2, body: Buffer.alloc(16_000, "entries: 1\n") })),
      },
      oneCpu,
    ),
  "a section at 2^60": () => {
    const file = joinTraceDat({ sections: packedSections({}), options: [] }, oneCpu);
    file.writeBigUInt64LE(1n << 60n, file.indexOf("zstd\x001\0") + 7);
    return file;
  },
  "100,000 terms": () => plainFile({}, unsignedA, `"%lu", REC->a${"+1".repeat(100_000)}`),
  "a field beyond any event": () =>
    plainFile({}, "\tfield:__data_loc u32[] b;\toffset:99999;\tsize:4;\tsigned:0;\n", '"%d", REC->b', "ftrace"),
  "a field line of blanks": () => plainFile({}, `\tfield:${" ".repeat(100_000)}x\n`),
  "a division 26 times": () => plainFile({}, unsignedA, `"%lu", REC->a${"/3".repeat(26)}`),
};
