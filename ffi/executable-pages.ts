/**
 * Memory of the executable itself. What its start and its parser read stays mapped, some 50 MiB, though little of it is used again; the
 * kernel takes it back only when memory is short.
 */
import { readFileSync, readlinkSync } from "node:fs";
import { libcHost } from "./libc-host.ts";

/** include/uapi/asm-generic/mman-common.h. Of a private mapping of a file: what is touched again comes from the file's pages. */
const MADV_DONTNEED = 4;
const head = /^([0-9a-f]+)-([0-9a-f]+) r-[x-]p [0-9a-f]+ \S+ [1-9]\d* +(.*)$/;

/** Gives back what is mapped of the executable's code and constants. What is used again is mapped again, 64 KiB at a time. */
export function releaseExecutablePages(): void {
  for (const { begin, end, anonymousKiB } of executableMappings())
    // What was written to has no other copy.
    if (anonymousKiB === 0) libcHost().madvise(begin, end - begin, MADV_DONTNEED);
}

/** Those that cannot be written to; none without /proc. */
function executableMappings(): { begin: number; end: number; anonymousKiB: number }[] {
  let texts: string[];
  let executable: string;
  try {
    texts = readFileSync("/proc/self/smaps", "latin1").split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
    executable = readlinkSync("/proc/self/exe", "latin1");
  } catch {
    return [];
  }
  return texts.flatMap((text) => {
    const [, begin = "", end = "", path] = head.exec(text.slice(0, text.indexOf("\n"))) ?? [];
    if (path !== executable) return [];
    const anonymousKiB = Number(/^Anonymous: +(\d+) kB$/m.exec(text)?.[1] ?? NaN);
    return [{ begin: Number.parseInt(begin, 16), end: Number.parseInt(end, 16), anonymousKiB }];
  });
}
