/**
 * A recording of this machine's own kernel, as test data: an instance of its own, the asked-for events, a workload, and all
 * of it in a plain trace.dat v6 that trace-cmd reads too. Made by the shortest way, apart from the code under test.
 */
import { spawnSync } from "node:child_process";
import { closeSync, constants, existsSync, mkdirSync, openSync, readdirSync, readFileSync, readSync, rmdirSync, writeFileSync } from "node:fs";

const tracing = "/sys/kernel/tracing";

/** Why no recording can be made here, or undefined. */
export function noRecordingReason(): string | undefined {
  if (process.getuid?.() !== 0) return "not root";
  if (!existsSync(`${tracing}/instances`)) return "no tracefs with instances";
  return undefined;
}

export type RecordingOptions = {
  /** system/event or system, as in set_event with a slash. */
  events: readonly string[];
  /** Does something worth recording; is given the instance's directory. */
  workload: (instance: string) => void;
  bufferKb?: number;
  clock?: string;
};

/** Writes `path` and returns the raw sub-buffers per CPU. */
export function recordLocally(path: string, options: RecordingOptions): Uint8Array[] {
  const instance = `${tracing}/instances/ta-test-${process.pid}-${Date.now().toString(36)}`;
  mkdirSync(instance);
  const set = (name: string, value: string): void => {
    const fd = openSync(`${instance}/${name}`, constants.O_WRONLY);
    writeFileSync(fd, value);
    closeSync(fd);
  };
  try {
    set("tracing_on", "0");
    set("buffer_size_kb", String(options.bufferKb ?? 8192));
    if (options.clock !== undefined) set("trace_clock", options.clock);
    for (const event of options.events) {
      const enable = `events/${event}/enable`;
      if (existsSync(`${instance}/${enable}`)) set(enable, "1");
    }
    set("tracing_on", "1");
    options.workload(instance);
    set("tracing_on", "0");
    const cpus = readdirSync(`${instance}/per_cpu`).map((name) => Number(name.slice(3))).sort((a, b) => a - b);
    const data = cpus.map((cpu) => drain(`${instance}/per_cpu/cpu${cpu}/trace_pipe_raw`));
    const stats = cpus.map((cpu) => readFileSync(`${instance}/per_cpu/cpu${cpu}/stats`));
    writeFileSync(path, traceDat(data, readFileSync(`${instance}/trace_clock`), stats));
    return data;
  } finally {
    if (existsSync(`${instance}/events/enable`)) set("events/enable", "0");
    rmdirSync(instance);
  }
}

/** The last, partial sub-buffer comes out of read() whole and zero-filled. */
function drain(path: string): Uint8Array {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const parts: Uint8Array[] = [];
  try {
    for (;;) {
      const bytes = new Uint8Array(4096);
      const got = readSync(fd, bytes);
      if (got <= 0) break;
      parts.push(bytes);
    }
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) throw error;
  } finally {
    closeSync(fd);
  }
  return Buffer.concat(parts);
}

const u16 = (value: number): Buffer => Buffer.from(new Uint16Array([value]).buffer);
const u32 = (value: number): Buffer => Buffer.from(new Uint32Array([value]).buffer);
const u64 = (value: number): Buffer => Buffer.from(new BigUint64Array([BigInt(value)]).buffer);
const withLength = (data: Uint8Array): Buffer => Buffer.concat([u64(data.length), data]);
const name = (text: string): Buffer => Buffer.from(`${text}\0`, "latin1");

function formatsOf(system: string): Buffer {
  const directory = `${tracing}/events/${system}`;
  const formats = readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(`${directory}/${entry.name}/format`))
    .map((entry) => withLength(readFileSync(`${directory}/${entry.name}/format`)));
  return Buffer.concat([u32(formats.length), ...formats]);
}

/** The layout of trace-cmd.dat.v6(5). */
function traceDat(data: readonly Uint8Array[], clock: Uint8Array, stats: readonly Uint8Array[]): Buffer {
  const systems = readdirSync(`${tracing}/events`, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== "ftrace")
    .map((entry) => entry.name);
  const short = (bytes: Uint8Array): Buffer => Buffer.concat([u32(bytes.length), bytes]);
  const option = (id: number, bytes: Uint8Array): Buffer => Buffer.concat([u16(id), u32(bytes.length), bytes]);
  const uname = spawnSync("uname", ["-a"], { encoding: "latin1" }).stdout.trim();
  const head = Buffer.concat([
    Buffer.from([0x17, 0x08, 0x44]),
    Buffer.from("tracing6\0\0\x08", "latin1"),
    u32(4096),
    name("header_page"),
    withLength(readFileSync(`${tracing}/events/header_page`)),
    name("header_event"),
    withLength(readFileSync(`${tracing}/events/header_event`)),
    formatsOf("ftrace"),
    u32(systems.length),
    ...systems.flatMap((system) => [name(system), formatsOf(system)]),
    short(readFileSync("/proc/kallsyms")),
    short(readFileSync(`${tracing}/printk_formats`)),
    withLength(readFileSync(`${tracing}/saved_cmdlines`)),
    u32(data.length),
    name("options  "),
    option(4, Buffer.concat([clock, Buffer.from([0])])),
    option(5, name(uname)),
    ...stats.map((text) => option(2, Buffer.concat([text, Buffer.from([0])]))),
    u16(0),
    name("flyrecord"),
  ]);
  const clockSection = withLength(Buffer.from(/\[.*\]/.exec(Buffer.from(clock).toString("latin1"))?.[0] ?? "[local]", "latin1"));
  let at = Math.ceil((head.length + data.length * 16 + clockSection.length) / 4096) * 4096;
  const table = data.map((bytes) => {
    const entry = Buffer.concat([u64(at), u64(bytes.length)]);
    at += bytes.length;
    return entry;
  });
  const front = Buffer.concat([head, ...table, clockSection]);
  return Buffer.concat([front, Buffer.alloc(Math.ceil(front.length / 4096) * 4096 - front.length), ...data]);
}
