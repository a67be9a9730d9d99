/**
 * A recording of this machine's own kernel, as test data: an instance of its own, the asked-for events, a workload, and all
 * of it in a plain trace.dat v6 that trace-cmd reads too.
 */
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { type KernelFiles, plainTraceDat } from "./plain-trace-dat.ts";

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
  /**
   * Does something worth recording. Shell text, in which $I is the instance's directory, is recorded with its children and
   * the kernel's threads, without what else a busy machine does; while a function runs everything is recorded.
   */
  workload: string | ((instance: string) => void);
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
    work(instance, options.workload, set);
    const cpus = readdirSync(`${instance}/per_cpu`)
      .map((name) => Number(name.slice(3)))
      .sort((a, b) => a - b);
    const data = cpus.map((cpu) => drain(`${instance}/per_cpu/cpu${cpu}/trace_pipe_raw`));
    writeFileSync(path, plainTraceDat(kernelFiles(instance, cpus), data));
    return data;
  } finally {
    if (existsSync(`${instance}/events/enable`)) set("events/enable", "0");
    rmdirSync(instance);
  }
}

/**
 * A recording in which events were lost: `count` markers on CPU 0 into a small ring buffer that nobody reads meanwhile. They are
 * so long that four fill a sub-buffer and leave room behind them, where the kernel says how many it overwrote.
 */
export function recordLoss(path: string, count: number): void {
  const markers = `text=$(printf %0950d 7); for n in $(seq ${count}); do echo "MARK $n $text" >$I/trace_marker; done`;
  const workload = (instance: string): void => {
    const { status, stderr } = spawnSync("taskset", ["-c", "0", "sh", "-c", markers], {
      env: { ...process.env, I: instance },
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`markers on CPU 0: ${stderr}`);
  };
  recordLocally(path, { events: [], bufferKb: 8, workload });
}

function work(
  instance: string,
  workload: RecordingOptions["workload"],
  set: (name: string, value: string) => void,
): void {
  if (typeof workload === "string") {
    set("options/event-fork", "1");
    appendFileSync(`${instance}/set_event_pid`, `${kernelThreads().join(" ")}\n`);
    set("tracing_on", "1");
    spawnSync("sh", ["-c", `echo $$ >> $I/set_event_pid\n${workload}`], {
      stdio: "ignore",
      env: { ...process.env, I: instance },
    });
  } else {
    set("tracing_on", "1");
    workload(instance);
  }
  set("tracing_on", "0");
}

function kernelThreads(): number[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      // The parent of all of them is kthreadd.
      const [, parent] = /\) \S (\d+) /.exec(readFileSync(`/proc/${name}/stat`, "latin1")) ?? [];
      return parent === "2" ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
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

function formatsOf(system: string): string[] {
  const directory = `${tracing}/events/${system}`;
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(`${directory}/${entry.name}/format`))
    .map((entry) => readFileSync(`${directory}/${entry.name}/format`, "latin1"));
}

type FixedFiles = Pick<KernelFiles, "headerPage" | "headerEvent" | "formats" | "kallsyms">;

let fixed: FixedFiles | undefined;

/** Thousands of files, which this process reads once: a format stays what it is, and a symbol that comes later has no name. */
function fixedFiles(): FixedFiles {
  if (fixed !== undefined) return fixed;
  const systems = readdirSync(`${tracing}/events`, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return (fixed = {
    headerPage: textOf(`${tracing}/events/header_page`),
    headerEvent: textOf(`${tracing}/events/header_event`),
    formats: new Map(systems.map((entry) => [entry.name, formatsOf(entry.name)])),
    kallsyms: readFileSync("/proc/kallsyms"),
  });
}

function kernelFiles(instance: string, cpus: readonly number[]): KernelFiles {
  return {
    ...fixedFiles(),
    printkFormats: textOf(`${tracing}/printk_formats`),
    savedCommands: textOf(`${tracing}/saved_cmdlines`),
    clock: textOf(`${instance}/trace_clock`),
    uname: spawnSync("uname", ["-a"], { encoding: "latin1" }).stdout.trim(),
    stats: cpus.map((cpu) => textOf(`${instance}/per_cpu/cpu${cpu}/stats`)),
  };
}

function textOf(path: string): string {
  return readFileSync(path, "latin1");
}
