/** sysconf(3): values of the machine. */
import { libc } from "./libc.ts";

/** <bits/confname.h> of glibc; musl has the same number. */
const _SC_PAGESIZE = 30;

export function pageSize(): number {
  return libc.sysconf(_SC_PAGESIZE);
}
