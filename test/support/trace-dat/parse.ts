/** Takes a trace.dat apart: see model.ts. */
import { inflateSync, zstdDecompressSync } from "node:zlib";
import { type Compression, type CpuData, Order, optionId, type TraceDat } from "./model.ts";

/** Goes through bytes from front to back. */
class Cursor {
  readonly bytes: Buffer;
  order: Order;
  at: number;

  constructor(bytes: Buffer, order: Order, at = 0) {
    this.bytes = bytes;
    this.order = order;
    this.at = at;
  }

  number(size: number): number {
    this.at += size;
    return this.order.number(this.bytes, this.at - size, size);
  }

  take(count: number): Buffer {
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  text(count: number): string {
    return this.take(count).toString("latin1");
  }

  string(): string {
    const end = this.bytes.indexOf(0, this.at);
    const text = this.bytes.toString("latin1", this.at, end);
    this.at = end + 1;
    return text;
  }

  formats(): string[] {
    return Array.from({ length: this.number(4) }, () => this.text(this.number(8)));
  }

  systems(): TraceDat["systems"] {
    return Array.from({ length: this.number(4) }, () => ({ name: this.string(), formats: this.formats() }));
  }
}

export function parseTraceDat(bytes: Buffer): TraceDat {
  const cursor = new Cursor(bytes, new Order(false), 10);
  const version = cursor.string() === "7" ? 7 : 6;
  const bigEndian = cursor.number(1) === 1;
  cursor.order = new Order(bigEndian);
  const longBytes = cursor.number(1) === 4 ? 4 : 8;
  const head = { bigEndian, longBytes, pageSize: cursor.number(4) } as const;
  return version === 6 ? { version, ...head, ...parseV6(cursor) } : { version, ...head, ...parseV7(cursor) };
}

type Rest = Omit<TraceDat, "version" | "bigEndian" | "longBytes" | "pageSize">;

function parseV6(cursor: Cursor): Rest {
  cursor.string();
  const headerPage = cursor.text(cursor.number(8));
  cursor.string();
  const headerEvent = cursor.text(cursor.number(8));
  const ftrace = cursor.formats();
  const systems = cursor.systems();
  const kallsyms = cursor.text(cursor.number(4));
  const printk = cursor.text(cursor.number(4));
  const commands = cursor.text(cursor.number(8));
  const cpuCount = cursor.number(4);
  const { options, cpus } = bufferV6(cursor, cpuCount);
  const hasClock = options.some(({ id }) => id === optionId.traceClock);
  const clockText = hasClock ? cursor.text(cursor.number(8)) : undefined;
  const places = options
    .filter(({ id }) => id === optionId.buffer)
    .map(({ data }) => ({ place: cursor.order.number(data, 0, 8), name: new Cursor(data, cursor.order, 8).string() }));
  const others = places
    .filter(({ place }) => place !== 0)
    .map(({ place, name }) => {
      const there = new Cursor(cursor.bytes, cursor.order, place);
      return { name, clock: "", cpus: bufferV6(there, cpuCount).cpus };
    });
  return {
    compression: "none",
    headerPage,
    headerEvent,
    ftrace,
    systems,
    kallsyms,
    printk,
    commands,
    cpuCount,
    clockText,
    options: options.filter(({ id }) => id !== optionId.buffer),
    emptyBuffers: places.filter(({ place }) => place === 0).map(({ name }) => name),
    buffers: [{ name: "", clock: "", cpus }, ...others],
  };
}

/** Options, if there are some, then the table of CPUs. */
function bufferV6(cursor: Cursor, count: number): { options: TraceDat["options"]; cpus: CpuData[] } {
  const options: TraceDat["options"] = [];
  let section = cursor.text(10);
  if (section.startsWith("options")) {
    for (let id = cursor.number(2); id !== 0; id = cursor.number(2)) {
      options.push({ id, data: cursor.take(cursor.number(4)) });
    }
    section = cursor.text(10);
  }
  if (section !== "flyrecord\0") throw new Error(`"${section}" where "flyrecord" should be`);
  const own = options.find(({ id }) => id === optionId.cpuCount)?.data;
  const cpus = Array.from({ length: own === undefined ? count : cursor.order.number(own, 0, 4) }, (_, cpu) => {
    const at = cursor.number(8);
    return { cpu, data: cursor.bytes.subarray(at, at + cursor.number(8)) };
  });
  return { options, cpus };
}

function parseV7(cursor: Cursor): Rest {
  const { bytes, order } = cursor;
  const compression = cursor.string() as Compression;
  cursor.string();
  const unpack = (packed: Buffer): Buffer =>
    compression === "none" ? packed : compression === "zstd" ? zstdDecompressSync(packed) : inflateSync(packed);
  const section = (place: number): { body: Cursor; packed: boolean } => {
    const head = new Cursor(bytes, order, place + 2);
    const packed = (head.number(2) & 1) !== 0;
    head.at += 4;
    const size = head.number(8);
    if (!packed) return { body: new Cursor(head.take(size), order), packed };
    const packedSize = head.number(4);
    head.at += 4;
    return { body: new Cursor(unpack(head.take(packedSize)), order), packed };
  };
  const options: TraceDat["options"] = [];
  for (let place = cursor.number(8); place !== 0;) {
    const { body } = section(place);
    place = 0;
    while (body.at < body.bytes.length) {
      const id = body.number(2);
      const data = body.take(body.number(4));
      if (id === 0) place = order.number(data, 0, 8);
      else options.push({ id, data });
    }
  }
  const bodyOf = (id: number): Cursor => {
    const option = options.find((one) => one.id === id);
    return option === undefined ? new Cursor(Buffer.alloc(16), order) : section(order.number(option.data, 0, 8)).body;
  };
  const header = bodyOf(16);
  header.string();
  const headerPage = header.text(header.number(8));
  header.string();
  const headerEvent = header.text(header.number(8));
  const [kallsyms, printk, commands] = [bodyOf(19), bodyOf(20), bodyOf(21)];
  const cpuCount = options.find(({ id }) => id === optionId.cpuCount)?.data;
  return {
    compression,
    headerPage,
    headerEvent,
    ftrace: bodyOf(17).formats(),
    systems: bodyOf(18).systems(),
    kallsyms: kallsyms.text(kallsyms.number(4)),
    printk: printk.text(printk.number(4)),
    commands: commands.text(commands.number(8)),
    cpuCount: cpuCount === undefined ? 0 : order.number(cpuCount, 0, 4),
    options: options.filter(
      ({ id }) => id !== optionId.buffer && (id < optionId.firstSection || id > optionId.lastSection),
    ),
    clockText: undefined,
    emptyBuffers: [],
    buffers: options
      .filter(({ id }) => id === optionId.buffer)
      .map(({ data }) => {
        const option = new Cursor(data, order);
        const packed = (order.number(bytes, option.number(8) + 2, 2) & 1) !== 0;
        const [name, clock] = [option.string(), option.string()];
        option.at += 4;
        const cpus = Array.from({ length: option.number(4) }, () => {
          const [cpu, at, size] = [option.number(4), option.number(8), option.number(8)];
          // trace-cmd's size of packed data leaves out the count of its chunks.
          const data =
            packed && size > 0 ? chunks(new Cursor(bytes, order, at), unpack) : bytes.subarray(at, at + size);
          return { cpu, data };
        });
        return { name, clock, cpus };
      }),
  };
}

function chunks(data: Cursor, unpack: (packed: Buffer) => Buffer): Buffer {
  return Buffer.concat(
    Array.from({ length: data.number(4) }, () => {
      const size = data.number(4);
      data.at += 4;
      return unpack(data.take(size));
    }),
  );
}
