/**
 * KernelShark's library, as a program of its own, since what it does not expect may end it: `bun libkshark.ts LIBRARY FILE...`. Prints
 * each event in the library's order of all files: file, CPU, ns, task.
 */
import { dlopen, FFIType, ptr, read } from "bun:ffi";

const [library = "", ...files] = process.argv.slice(2);
const { symbols: kshark } = dlopen(library, {
  kshark_instance: { args: [FFIType.ptr], returns: FFIType.bool },
  kshark_open: { args: [FFIType.u64, FFIType.ptr], returns: FFIType.i32 },
  kshark_load_all_entries: { args: [FFIType.u64, FFIType.ptr], returns: FFIType.i64 },
});
const context = new BigUint64Array(1);
if (!kshark.kshark_instance(ptr(context))) throw new Error("kshark_instance");
const streams = new Map<number, string>();
for (const file of files) {
  const path = Buffer.from(`${file}\0`);
  const stream = kshark.kshark_open(context[0] ?? 0n, ptr(path));
  if (stream < 0) throw new Error(`kshark_open ${file}: ${stream}`);
  streams.set(stream, file);
}
const rows = new BigUint64Array(1);
const count = Number(kshark.kshark_load_all_entries(context[0] ?? 0n, ptr(rows)));
const lines: string[] = [];
for (let index = 0; index < count; index++) {
  const entry = read.ptr(Number(rows[0]), index * 8);
  // struct kshark_entry of 2.x: next, u16 visible, s16 stream, s16 event, s16 CPU, s32 task, s64 offset, s64 time.
  const stream = read.i16(entry, 10);
  lines.push(`${streams.get(stream)} ${read.i16(entry, 14)} ${read.i64(entry, 32)} ${read.i32(entry, 16)}`);
}
await Bun.write(Bun.stdout, lines.map((line) => `${line}\n`).join(""));
process.exit(0);
