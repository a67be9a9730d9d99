/** The time stamp counter of x86-64, which no libc function reads: a few bytes of code in a page of its own. */
import { architecture } from "./architecture.ts";
import { CFunction, type Pointer, toArrayBuffer } from "bun:ffi";
import { libc, NULL } from "./libc.ts";

/** lfence; rdtsc; shl rdx, 32; or rax, rdx; ret */
const code = [0x0f, 0xae, 0xe8, 0x0f, 0x31, 0x48, 0xc1, 0xe2, 0x20, 0x48, 0x09, 0xd0, 0xc3];
/** include/uapi/asm-generic/mman-common.h. */
const PROT = { READ: 1, WRITE: 2, EXEC: 4 } as const;
const MAP = { PRIVATE: 2, ANONYMOUS: 0x20 } as const;
const MAP_FAILED = 2 ** 64;

let page: Pointer | undefined;

/** Ticks. Undefined on other processors, and where memory may not become code. */
export const readTsc = architecture === "x64" ? makeReader() : undefined;

function makeReader(): (() => bigint) | undefined {
  const address = libc.mmap(NULL, code.length, PROT.READ | PROT.WRITE, MAP.PRIVATE | MAP.ANONYMOUS, -1, 0);
  // -1 as an address.
  if (typeof address !== "number" || address < 0 || address >= MAP_FAILED) return undefined;
  page = address;
  new Uint8Array(toArrayBuffer(address, 0, code.length)).set(code);
  if (libc.mprotect(address, code.length, PROT.READ | PROT.EXEC) !== 0) return undefined;
  const read = CFunction({ ptr: address, args: [], returns: "u64" });
  return () => read() as bigint;
}

/** At the end of a Worker, whose memory outlives it. Nothing may read the counter after it. */
export function releaseTsc(): void {
  if (page !== undefined) libc.munmap(page, code.length);
  page = undefined;
}
