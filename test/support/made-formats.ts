/** Format files of events that tests make: laid out as the kernel lays them out on 64 bits. */
import { commonFields } from "./common-fields.ts";

export const madeField = (declaration: string, offset: number, size: number): string =>
  `\tfield:${declaration};\toffset:${offset};\tsize:${size};\tsigned:1;\n`;
export const madeFormat = (name: string, id: number, fields: readonly string[], print = '""'): string =>
  `name: ${name}\nID: ${id}\nformat:\n${commonFields}\n${fields.join("")}\nprint fmt: ${print}\n`;

const states =
  '"%s", __print_flags(REC->prev_state & 0xff, "|", { 0x1, "S" }, { 0x2, "D" }, { 0x4, "T" }, { 0x8, "t" }, { 0x10, "X" }, { 0x20, "Z" }, { 0x40, "P" }, { 0x80, "I" })';

export const switchFields = [
  madeField("char prev_comm[16]", 8, 16),
  madeField("pid_t prev_pid", 24, 4),
  madeField("int prev_prio", 28, 4),
  madeField("long prev_state", 32, 8),
  madeField("char next_comm[16]", 40, 16),
  madeField("pid_t next_pid", 56, 4),
  madeField("int next_prio", 60, 4),
];
export const wakingFields = [
  madeField("char comm[16]", 8, 16),
  madeField("pid_t pid", 24, 4),
  madeField("int prio", 28, 4),
  madeField("int target_cpu", 32, 4),
];
export const madeSwitch = (id: number): string => madeFormat("sched_switch", id, switchFields, states);
