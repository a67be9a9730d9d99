/** What the spool of a running recording holds so far: of an event, and of reads (raw_syscalls, of a 64-bit kernel for x86). */
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
