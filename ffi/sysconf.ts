/** sysconf(3): what the kernel told this process about the machine. */
import { libc } from "./libc.ts";

/** <bits/confname.h> of glibc; musl has the same number. */
const _SC_PAGESIZE = 30;

export function pageSize(): number {
  return libc.sysconf(_SC_PAGESIZE);
}
