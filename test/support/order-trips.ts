/**
 * How orders went from a recorder to a guest, in what a recording of both holds of their system calls: written by the one, read by the
 * other, answered. Calls of raw_syscalls, of a 64-bit kernel for x86.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { layoutOf, SubBufferCursor } from "../../src/ring-buffer/sub-buffer.ts";

const layout = layoutOf(4096, 8);
const readNumber = 0n;

/** What a spool holds of a CPU's events with this id; `isWanted` sees where its fields begin. */
function countIn(file: string, id: number, isWanted: (view: DataView, at: number) => boolean): number {
  const bytes = readFileSync(file);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const cursor = new SubBufferCursor(layout);
  let found = 0;
  for (let at = 0; at + layout.sizeBytes <= bytes.length; at += layout.sizeBytes) {
    cursor.reset(view, at);
    while (cursor.next())
      if (view.getUint16(cursor.dataOffset, true) === id && isWanted(view, cursor.dataOffset)) found++;
  }
  return found;
}

/** By CPU, how many events with this id a spool holds so far. */
export function spooledEvents(spool: string, id: number): number[] {
  const files = readdirSync(spool).filter((name) => /^cpu\d+$/.test(name));
  return files.map((name) => countIn(join(spool, name), id, () => true));
}

/** How many reads of so many bytes by these tasks a spool holds so far. `exitId`: of sys_exit. */
export function spooledReads(spool: string, exitId: number, tasks: readonly number[], bytes: number): number {
  const files = readdirSync(spool).filter((name) => /^cpu\d+$/.test(name));
  const isOne = (view: DataView, at: number): boolean =>
    tasks.includes(view.getInt32(at + 4, true)) &&
    view.getBigInt64(at + 8, true) === readNumber &&
    view.getBigInt64(at + 16, true) === BigInt(bytes);
  return files.reduce((sum, name) => sum + countIn(join(spool, name), exitId, isOne), 0);
}

/** Seconds, by file descriptor. */
export type Calls = Map<string, number[]>;

/** When a task wrote so many bytes, and when it had read something, by what trace-cmd shows of its recording. */
export function callsOf(lines: readonly string[], pid: number, bytes: number): { written: Calls; answered: Calls } {
  const [written, answered]: [Calls, Calls] = [new Map(), new Map()];
  const note = (calls: Calls, fd: string, time: number): unknown => calls.get(fd)?.push(time) ?? calls.set(fd, [time]);
  let reads: string | undefined;
  const call = new RegExp(
    String.raw`-${pid} +\[\d+\] .*?(\d+\.\d+): sys_(?:enter: +NR (\d+) \((\w+), \w+, (\w+),|exit: +NR (\d+) = (-?\d+))`,
  );
  for (const line of lines) {
    const [, time, entered, fd = "", size, left, result] = call.exec(line) ?? [];
    if (time === undefined) continue;
    if (entered === "1" && Number.parseInt(size ?? "", 16) === bytes) note(written, fd, Number(time));
    if (entered !== undefined) reads = entered === "0" ? fd : undefined;
    else if (left === "0" && reads !== undefined && Number(result) > 0) note(answered, reads, Number(time));
  }
  return { written, answered };
}

/**
 * Whether each read comes after an order and before its answer, the next one that came; times may be off by `boundS`. A clock that is
 * wrong by more puts reads behind the answers to the order of before. Orders that were given again before an answer tell nothing.
 */
export function liesBetween(
  reads: readonly number[],
  { written, answered }: { written: readonly number[]; answered: readonly number[] },
  boundS: number,
): boolean {
  let judged = 0;
  for (const read of reads) {
    const index = written.findLastIndex((time) => time <= read + boundS);
    const [before, order] = [written[index - 1], written[index]];
    if (order === undefined) return false;
    if (before !== undefined && !answered.some((time) => time >= before && time < order)) continue;
    const answer = answered.find((time) => time >= order);
    if (answer === undefined) continue;
    if (read > answer + boundS) return false;
    judged++;
  }
  return judged > 0;
}
