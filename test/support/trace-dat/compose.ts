/** Puts a trace.dat together: see model.ts. */
import { deflateSync, zstdCompressSync } from "node:zlib";
import { type Option, Order, optionId, type TraceDat } from "./model.ts";

const latin1 = (text: string): Buffer => Buffer.from(text, "latin1");
const name = (text: string): Buffer => latin1(`${text}\0`);

/** The bytes of a file: parts are added at its end, and places that were not known are filled in. */
class File {
  readonly order: Order;
  #bytes = Buffer.alloc(0);

  constructor(order: Order) {
    this.order = order;
  }

  get length(): number {
    return this.#bytes.length;
  }

  add(...parts: Uint8Array[]): this {
    this.#bytes = Buffer.concat([this.#bytes, ...parts]);
    return this;
  }

  align(size: number): void {
    this.add(Buffer.alloc((size - (this.length % size)) % size));
  }

  patch(at: number, bytes: Uint8Array): void {
    this.#bytes.set(bytes, at);
  }

  take(): Buffer {
    return this.#bytes;
  }
}

export function composeTraceDat(dat: TraceDat): Buffer {
  const order = new Order(dat.bigEndian);
  const file = new File(order);
  file.add(Buffer.from([0x17, 0x08, 0x44]), latin1("tracing"), name(`${dat.version}`));
  file.add(order.bytes(dat.bigEndian ? 1 : 0, 1), order.bytes(dat.longBytes, 1), order.bytes(dat.pageSize, 4));
  if (dat.version === 6) composeV6(dat, file);
  else composeV7(dat, file);
  return file.take();
}

/** The bodies of the describing parts, in the order of version 6 and by the section numbers of version 7. */
function describing(dat: TraceDat, order: Order): { id: number; body: Buffer }[] {
  const sized = (text: string, size: number): Buffer => Buffer.concat([order.bytes(text.length, size), latin1(text)]);
  const formats = (texts: readonly string[]): Buffer =>
    Buffer.concat([order.bytes(texts.length, 4), ...texts.map((text) => sized(text, 8))]);
  const systems = dat.systems.flatMap((system) => [name(system.name), formats(system.formats)]);
  const headers = [name("header_page"), sized(dat.headerPage, 8), name("header_event"), sized(dat.headerEvent, 8)];
  return [
    { id: 16, body: Buffer.concat(headers) },
    { id: 17, body: formats(dat.ftrace) },
    { id: 18, body: Buffer.concat([order.bytes(dat.systems.length, 4), ...systems]) },
    { id: 19, body: sized(dat.kallsyms, 4) },
    { id: 20, body: sized(dat.printk, 4) },
    { id: 21, body: sized(dat.commands, 8) },
  ];
}

function optionBytes({ id, data }: Option, order: Order): Buffer {
  return Buffer.concat([order.bytes(id, 2), order.bytes(data.length, 4), data]);
}

function composeV6(dat: TraceDat, file: File): void {
  const { order } = file;
  for (const { body } of describing(dat, order)) file.add(body);
  file.add(order.bytes(dat.cpuCount, 4), name("options  "));
  for (const option of dat.options) file.add(optionBytes(option, order));
  const places = new Map<string, number>();
  for (const { name: buffer } of dat.buffers.slice(1)) {
    places.set(buffer, file.length + 6);
    file.add(optionBytes({ id: optionId.buffer, data: Buffer.concat([Buffer.alloc(8), name(buffer)]) }, order));
  }
  for (const buffer of dat.emptyBuffers) {
    file.add(optionBytes({ id: optionId.buffer, data: Buffer.concat([Buffer.alloc(8), name(buffer)]) }, order));
  }
  file.add(order.bytes(0, 2));
  for (const buffer of dat.buffers) {
    const place = places.get(buffer.name);
    if (place !== undefined) {
      file.patch(place, order.bytes(file.length, 8));
      const count = optionBytes({ id: optionId.cpuCount, data: order.bytes(buffer.cpus.length, 4) }, order);
      file.add(name("options  "), count, order.bytes(0, 2));
    }
    file.add(name("flyrecord"));
    const table = file.length;
    file.add(Buffer.alloc(16 * buffer.cpus.length));
    if (dat.clockText !== undefined) file.add(order.bytes(dat.clockText.length, 8), latin1(dat.clockText));
    for (const [index, { data }] of buffer.cpus.entries()) {
      file.align(dat.pageSize);
      file.patch(table + 16 * index, Buffer.concat([order.bytes(file.length, 8), order.bytes(data.length, 8)]));
      file.add(data);
    }
  }
}

/** trace-cmd packs ten pages at a time. */
const chunkPages = 10;

function composeV7(dat: TraceDat, file: File): void {
  const { order } = file;
  const pack = (bytes: Buffer): Buffer => (dat.compression === "zstd" ? zstdCompressSync(bytes) : deflateSync(bytes));
  const packed = dat.compression !== "none";
  const chunk = (bytes: Buffer): Buffer => {
    const small = pack(bytes);
    return Buffer.concat([order.bytes(small.length, 4), order.bytes(bytes.length, 4), small]);
  };
  const section = (id: number, body: Buffer, compressed: boolean): number => {
    const place = file.length;
    const bytes = compressed ? chunk(body) : body;
    file.add(order.bytes(id, 2), order.bytes(compressed ? 1 : 0, 2), order.bytes(0, 4), order.bytes(bytes.length, 8));
    file.add(bytes);
    return place;
  };
  file.add(name(dat.compression), name(packed ? "1.0" : ""));
  const pointer = file.length;
  file.add(Buffer.alloc(8));
  const options = dat.options.map((option) => optionBytes(option, order));
  for (const { id, body } of describing(dat, order)) {
    options.push(optionBytes({ id, data: order.bytes(section(id, body, packed), 8) }, order));
  }
  for (const buffer of dat.buffers) {
    const place = section(optionId.buffer, Buffer.alloc(0), false);
    const table = buffer.cpus.map(({ cpu, data }) => {
      file.align(dat.pageSize);
      const at = file.length;
      if (packed && data.length > 0) file.add(...chunksOf(data, dat.pageSize, order, chunk));
      else file.add(data);
      return Buffer.concat([order.bytes(cpu, 4), order.bytes(at, 8), order.bytes(file.length - at, 8)]);
    });
    const head = [order.bytes(optionId.buffer, 2), order.bytes(packed ? 1 : 0, 2), order.bytes(0, 4)];
    file.patch(place, Buffer.concat([...head, order.bytes(file.length - place - 16, 8)]));
    const sizes = [order.bytes(dat.pageSize, 4), order.bytes(buffer.cpus.length, 4)];
    const data = Buffer.concat([order.bytes(place, 8), name(buffer.name), name(buffer.clock), ...sizes, ...table]);
    options.push(optionBytes({ id: optionId.buffer, data }, order));
  }
  const strings = section(15, name(""), packed);
  if (strings === 0) throw new Error("no section of strings");
  options.push(optionBytes({ id: 0, data: Buffer.alloc(8) }, order));
  file.patch(pointer, order.bytes(section(0, Buffer.concat(options), false), 8));
}

function chunksOf(data: Buffer, pageSize: number, order: Order, chunk: (bytes: Buffer) => Buffer): Buffer[] {
  const size = chunkPages * pageSize;
  const count = Math.ceil(data.length / size);
  const parts = Array.from({ length: count }, (_, index) => chunk(data.subarray(index * size, (index + 1) * size)));
  return [order.bytes(count, 4), ...parts];
}
