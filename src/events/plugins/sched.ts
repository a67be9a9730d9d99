/** sched_switch and sched_wakeup: "bash:1234 [120] S ==> swapper/1:0 [120]". They also name tasks. */
import { constant } from "../../base/byte-writer.ts";
import type { EventRecord } from "../event-record.ts";
import type { Expression } from "../print-format/expression.ts";
import { PrintFormatError } from "../print-format/expression.ts";
import { parsePrintFormat } from "../print-format/parser.ts";
import { type Plugin, type PluginContext, plainField, textField } from "./plugin.ts";

const arrow = constant(" ==> ");
const success = constant(" success=");
const cpuColumn = constant(" CPU:");
const usualStates = "SDTtXZPI";

export const schedSwitch: Plugin = (context) => {
  const { tasks } = context;
  const [prevComm, nextComm] = [textField(context, "prev_comm"), textField(context, "next_comm")];
  const [prevPid, nextPid] = [plainField(context, "prev_pid"), plainField(context, "next_pid")];
  const [prevPrio, nextPrio] = [plainField(context, "prev_prio"), plainField(context, "next_prio")];
  const state = plainField(context, "prev_state");
  if (!prevComm || !nextComm || !prevPid || !nextPid || !prevPrio || !nextPrio || !state) return undefined;
  const states = Buffer.from(stateLetters(context), "latin1");
  return (record, out) => {
    const { bytes, at } = record;
    let pid = prevPid.low(record) >>> 0;
    out.string(bytes, at + prevComm.offset, prevComm.size);
    tasks.learn(pid, bytes, at + prevComm.offset, prevComm.size);
    out.byte(0x3a);
    out.decimal(pid);
    out.byte(0x20);
    out.byte(0x5b);
    out.signed32(prevPrio.low(record));
    out.byte(0x5d);
    out.byte(0x20);
    const bits = state.low(record);
    const start = out.length;
    for (let bit = 0; bit < states.length; bit++) {
      if ((bits & (1 << bit)) === 0) continue;
      if (out.length > start) out.byte(0x7c);
      out.byte(states[bit] ?? 0);
    }
    if (out.length === start) out.byte(0x52);
    out.put(arrow);
    pid = nextPid.low(record) >>> 0;
    out.string(bytes, at + nextComm.offset, nextComm.size);
    tasks.learn(pid, bytes, at + nextComm.offset, nextComm.size);
    out.byte(0x3a);
    out.decimal(pid);
    out.byte(0x20);
    out.byte(0x5b);
    out.signed32(nextPrio.low(record));
    out.byte(0x5d);
  };
};

export const schedWakeup: Plugin = (context) => {
  const { tasks } = context;
  const [comm, pid, prio] = [textField(context, "comm"), plainField(context, "pid"), plainField(context, "prio")];
  const [succeeded, cpu] = [plainField(context, "success"), plainField(context, "target_cpu")];
  if (!comm || !pid || !prio) return undefined;
  return (record, out) => {
    const { bytes, at } = record;
    out.string(bytes, at + comm.offset, comm.size);
    tasks.learn(pid.low(record) >>> 0, bytes, at + comm.offset, comm.size);
    out.byte(0x3a);
    out.decimal(pid.low(record) >>> 0);
    out.byte(0x20);
    out.byte(0x5b);
    out.decimal(prio.low(record) >>> 0);
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

/** By event the fields that name a task, and those that say which. */
const namingFields: ReadonlyMap<string, readonly (readonly [comm: string, pid: string])[]> = new Map([
  [
    "sched_switch",
    [
      ["prev_comm", "prev_pid"],
      ["next_comm", "next_pid"],
    ],
  ],
  ["sched_wakeup", [["comm", "pid"]]],
  ["sched_wakeup_new", [["comm", "pid"]]],
]);

/** Learns the names that an event tells, as its text does, where another form of it is written; undefined if it tells none. */
export function nameLearner(context: PluginContext): ((record: EventRecord) => void) | undefined {
  const { format, tasks } = context;
  const names = format.system === "sched" ? (namingFields.get(format.name) ?? []) : [];
  const pairs = names.flatMap(([commName, pidName]) => {
    const [comm, pid] = [textField(context, commName), plainField(context, pidName)];
    return comm === undefined || pid === undefined ? [] : [{ comm, pid }];
  });
  if (pairs.length === 0) return undefined;
  return (record) => {
    if (record.size < format.minBytes) return;
    for (const { comm, pid } of pairs)
      tasks.learn(pid.low(record) >>> 0, record.bytes, record.at + comm.offset, comm.size);
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
