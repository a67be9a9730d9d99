/** A plain trace.dat v6 of what was read from a kernel: by the shortest way, apart from the code under test. */

export type KernelFiles = {
  headerPage: string;
  headerEvent: string;
  /** Text of the format files by system. */
  formats: Map<string, string[]>;
  kallsyms: Uint8Array;
  printkFormats: string;
  savedCommands: string;
  clock: string;
  uname: string;
  stats: string[];
};

const u16 = (value: number): Buffer => Buffer.from(new Uint16Array([value]).buffer);
const u32 = (value: number): Buffer => Buffer.from(new Uint32Array([value]).buffer);
const u64 = (value: number): Buffer => Buffer.from(new BigUint64Array([BigInt(value)]).buffer);
const bytesOf = (text: string | Uint8Array): Uint8Array =>
  typeof text === "string" ? Buffer.from(text, "latin1") : text;
const long = (data: string | Uint8Array): Buffer => Buffer.concat([u64(bytesOf(data).length), bytesOf(data)]);
const short = (data: string | Uint8Array): Buffer => Buffer.concat([u32(bytesOf(data).length), bytesOf(data)]);
const name = (text: string): Buffer => Buffer.from(`${text}\0`, "latin1");
const list = (formats: readonly string[]): Buffer =>
  Buffer.concat([u32(formats.length), ...formats.map((text) => long(text))]);

/** The layout of trace-cmd.dat.v6(5). `data` holds whole sub-buffers of each CPU. */
export function plainTraceDat(files: KernelFiles, data: readonly Uint8Array[], subBufferSize = 4096): Buffer {
  const systems = [...files.formats.keys()].filter((system) => system !== "ftrace");
  const option = (id: number, text: string): Buffer => Buffer.concat([u16(id), u32(text.length + 1), name(text)]);
  const head = Buffer.concat([
    Buffer.from([0x17, 0x08, 0x44]),
    Buffer.from("tracing6\0\0\x08", "latin1"),
    u32(subBufferSize),
    name("header_page"),
    long(files.headerPage),
    name("header_event"),
    long(files.headerEvent),
    list(files.formats.get("ftrace") ?? []),
    u32(systems.length),
    ...systems.flatMap((system) => [name(system), list(files.formats.get(system) ?? [])]),
    short(files.kallsyms),
    short(files.printkFormats),
    long(files.savedCommands),
    u32(data.length),
    name("options  "),
    option(4, files.clock),
    option(5, files.uname),
    ...files.stats.map((text) => option(2, text)),
    u16(0),
    name("flyrecord"),
  ]);
  const clock = long(/\[.*\]/.exec(files.clock)?.[0] ?? "[local]");
  const align = (length: number): number => Math.ceil(length / subBufferSize) * subBufferSize;
  let at = align(head.length + data.length * 16 + clock.length);
  const table = data.map((bytes) => {
    const entry = Buffer.concat([u64(at), u64(bytes.length)]);
    at += bytes.length;
    return entry;
  });
  const front = Buffer.concat([head, ...table, clock]);
  return Buffer.concat([front, Buffer.alloc(align(front.length) - front.length), ...data]);
}
