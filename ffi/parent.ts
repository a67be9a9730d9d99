/** prctl(2): ends this process with the one that started it. */
import { errno, NULL } from "./libc.ts";
import { libcHost } from "./libc-host.ts";
import { SystemError } from "./errno.ts";

/** include/uapi/linux/prctl.h, and SIGTERM of asm-generic/signal.h. */
const PR_SET_PDEATHSIG = 1;
const SIGTERM = 15;

/** From now on the kernel sends SIGTERM when the parent ends, however it ends. A parent that ended earlier is not noticed. */
export function endWithParent(): void {
  if (libcHost().prctl(PR_SET_PDEATHSIG, SIGTERM, NULL, NULL, NULL) < 0)
    throw new SystemError("prctl", "PR_SET_PDEATHSIG, SIGTERM", errno());
}
