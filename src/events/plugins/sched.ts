/** sched_switch and sched_wakeup: "bash:1234 [120] S ==> swapper/1:0 [120]". They also name tasks. */
import { type ByteWriter, constant } from "../../base/byte-writer.ts";
import type { EventRecord } from "../event-record.ts";
import type { Expression } from "../print-format/expression.ts";
import { PrintFormatError } from "../print-format/expression.ts";
import { parsePrintFormat } from "../print-format/parser.ts";
import type { EventField } from "../event-format.ts";
import type { NumberNode } from "../print-format/number-node.ts";
import type { TaskNames } from "../task-names.ts";
import { type Plugin, type PluginContext, plainField, textField } from "./plugin.ts";

const priorityStart = constant(" [");
const switchState = constant("] ");
const arrow = constant(" ==> ");
const success = constant(" success=");
const cpuColumn = constant(" CPU:");
const usualStates = "SDTtXZPI";

/** The fields that name a task. */
type Task = { comm: EventField; pid: NumberNode };
type TaskWithPriority = Task & { prio: NumberNode };

/** By event, of each task that it names what the names of the fields begin with: prev_comm, prev_pid. */
const namedTasks: ReadonlyMap<string, readonly string[]> = new Map([
  ["sched_switch", ["prev_", "next_"]],
  ["sched_wakeup", [""]],
  ["sched_wakeup_new", [""]],
]);

function taskOf(context: PluginContext, prefix: string): Task | undefined {
  const [comm, pid] = [textField(context, `${prefix}comm`), plainField(context, `${prefix}pid`)];
  return comm === undefined || pid === undefined ? undefined : { comm, pid };
}

function taskWithPriority(context: PluginContext, prefix: string): TaskWithPriority | undefined {
  const [task, prio] = [taskOf(context, prefix), plainField(context, `${prefix}prio`)];
  return task === undefined || prio === undefined ? undefined : { ...task, prio };
}

function learn(record: EventRecord, tasks: TaskNames, { comm, pid }: Task): void {
  tasks.learn(pid.low(record) >>> 0, record.bytes, record.at + comm.offset, comm.size);
}

/** "bash:1234 [", before the priority. */
function writeTask(record: EventRecord, out: ByteWriter, tasks: TaskNames, task: Task): void {
  out.string(record.bytes, record.at + task.comm.offset, task.comm.size);
  learn(record, tasks, task);
  out.byte(0x3a);
  out.decimal(task.pid.low(record) >>> 0);
  out.put(priorityStart);
}

export const schedSwitch: Plugin = (context) => {
  const { tasks } = context;
  const [prev, next] = [taskWithPriority(context, "prev_"), taskWithPriority(context, "next_")];
  const state = plainField(context, "prev_state");
  if (prev === undefined || next === undefined || state === undefined) return undefined;
  const states = Buffer.from(stateLetters(context), "latin1");
  return (record, out) => {
    writeTask(record, out, tasks, prev);
    out.signed32(prev.prio.low(record));
    out.put(switchState);
    const bits = state.low(record);
    const start = out.length;
    for (let bit = 0; bit < states.length; bit++) {
      if ((bits & (1 << bit)) === 0) continue;
      if (out.length > start) out.byte(0x7c);
      out.byte(states[bit] ?? 0);
    }
    if (out.length === start) out.byte(0x52);
    out.put(arrow);
    writeTask(record, out, tasks, next);
    out.signed32(next.prio.low(record));
    out.byte(0x5d);
  };
};

export const schedWakeup: Plugin = (context) => {
  const { tasks } = context;
  const task = taskWithPriority(context, "");
  const [succeeded, cpu] = [plainField(context, "success"), plainField(context, "target_cpu")];
  if (task === undefined) return undefined;
  return (record, out) => {
    writeTask(record, out, tasks, task);
    out.decimal(task.prio.low(record) >>> 0);
    out.byte(0x5d);
    if (succeeded !== undefined) {
      out.put(success);
      out.decimal(succeeded.low(record) >>> 0);
    }
    if (cpu !== undefined) {
      out.put(cpuColumn);
      const start = out.length;
      out.decimal(cpu.low(record) >>> 0);
      out.pad(start, 3, false, 0x30);
    }
  };
};

/** Learns the names that an event tells, as its text does, where another form of it is written; undefined if it tells none. */
export function nameLearner(context: PluginContext): ((record: EventRecord) => void) | undefined {
  const { format, tasks } = context;
  const prefixes = format.system === "sched" ? (namedTasks.get(format.name) ?? []) : [];
  const named = prefixes.flatMap((prefix) => taskOf(context, prefix) ?? []);
  if (named.length === 0) return undefined;
  return (record) => {
    if (record.size >= format.minBytes) for (const task of named) learn(record, tasks, task);
  };
}

/** The letters of a task's state bits, by the table of flags that the print fmt has for them. */
export function stateLetters(context: PluginContext): string {
  let pairs: Expression[];
  try {
    pairs = parsePrintFormat(context.format.print).arguments.flatMap((argument) => statePairs(argument));
  } catch (error) {
    if (error instanceof PrintFormatError) return usualStates;
    throw error;
  }
  const letters: string[] = [];
  for (const pair of pairs) {
    if (
      pair.kind !== "pair" ||
      pair.value.kind !== "number" ||
      pair.value.value <= 0n ||
      pair.value.value > 0xffff_ffffn
    )
      continue;
    const bit = pair.value.value.toString(2).length - 1;
    letters[bit] = pair.text?.charAt(0) ?? "";
  }
  // A gap ends the letters, as it ends a C string.
  const text = Array.from(letters, (letter) => letter ?? "").join("");
  return text === "" || letters.length > 32 ? usualStates : text;
}

function statePairs(expression: Expression): Expression[] {
  switch (expression.kind) {
    case "call":
      return expression.name === "__print_flags" && mentionsState(expression.arguments[0])
        ? expression.arguments.slice(2)
        : [];
    case "condition":
      return (
        [...new Set([expression.test, expression.yes, expression.no])]
          .map((part) => statePairs(part))
          .find((found) => found.length > 0) ?? []
      );
    case "binary":
      return (
        [expression.left, expression.right].map((part) => statePairs(part)).find((found) => found.length > 0) ?? []
      );
    default:
      return [];
  }
}

function mentionsState(expression: Expression | undefined): boolean {
  if (expression?.kind === "field") return expression.name === "prev_state";
  return expression?.kind === "binary" && (mentionsState(expression.left) || mentionsState(expression.right));
}
