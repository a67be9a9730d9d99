/** A directory that looks like a tracing directory to those who read and write its small files. Nothing in it takes effect. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const events = ["sched:sched_switch", "sched:sched_waking", "irq:irq_handler_entry", "irq:irq_handler_exit"];

const functions = ["vfs_read", "vfs_write", "do_sys_open", "static_one", "static_one", "ext4_read [ext4]"];
const noTriggers = "# Available triggers:\n# traceon traceoff snapshot stacktrace enable_event disable_event hist\n";

/** With a number, an unsigned number and a string; the interrupts' events have no string. */
function formatOf(event: string): string {
  const line = (type: string, name: string, at: number, size: number, signed: number): string =>
    `\tfield:${type} ${name};\toffset:${at};\tsize:${size};\tsigned:${signed};\n`;
  const common = line("unsigned short", "common_type", 0, 2, 0) + line("int", "common_pid", 4, 4, 1);
  const own = event.startsWith("sched")
    ? line("char", "prev_comm[16]", 8, 16, 0) + line("long", "prev_state", 24, 8, 1)
    : line("int", "irq", 8, 4, 1);
  return `name: ${event.split(":")[1]}\nID: 1\nformat:\n${common}\n${own}\nprint fmt: "x"\n`;
}

export class FakeTracefs {
  readonly path = mkdtempSync(join(tmpdir(), "trace-agent-tracefs-"));

  constructor() {
    this.write("available_events", `${events.join("\n")}\n`);
    this.write("set_event", "irq:irq_handler_exit\n");
    this.write("events/enable", "X\n");
    for (const system of ["sched", "irq"]) this.write(`events/${system}/enable`, "X\n");
    this.write("trace_clock", "[local] global mono\n");
    this.write("tracing_on", "1\n");
    this.write("buffer_size_kb", "1408\n");
    this.write("per_cpu/cpu0/stats", "");
    for (const event of events) {
      const folder = `events/${event.replace(":", "/")}`;
      this.write(`${folder}/format`, formatOf(event));
      this.write(`${folder}/filter`, "none\n");
      this.write(`${folder}/trigger`, noTriggers);
    }
    this.write("current_tracer", "nop\n");
    this.write("available_tracers", "blk function nop\n");
    this.write("available_filter_functions", `${functions.join("\n")}\n`);
    this.write("set_ftrace_filter", "#### all functions enabled ####\n");
    this.write("set_ftrace_notrace", "#### no functions disabled ####\n");
    this.write("set_graph_function", "#### all functions enabled ####\n");
    this.write("max_graph_depth", "0\n");
    this.write("set_event_pid", "");
    this.write("set_ftrace_pid", "no pid\n");
    for (const option of ["overwrite", "record-cmd"]) this.write(`options/${option}`, "1\n");
    for (const option of ["stacktrace", "func_stack_trace", "event-fork"]) this.write(`options/${option}`, "0\n");
  }

  write(name: string, text: string): void {
    const path = join(this.path, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }

  read(name: string): string {
    return readFileSync(join(this.path, name), "latin1").trimEnd();
  }

  /** From now on this file can be neither read nor written. */
  breakFile(name: string): void {
    rmSync(join(this.path, name));
    mkdirSync(join(this.path, name));
  }

  remove(): void {
    rmSync(this.path, { recursive: true });
  }
}
