/** Waits for a lock that is shared by all processes of this machine. The kernel drops it when its holder dies. */
import { closeFd, O, openFd } from "../../ffi/fd.ts";
import { tryLock } from "../../ffi/lock.ts";

const retryMs = 100;

export type Lock = { release: () => void };

export type LockOptions = {
  /** Called once if another process holds the lock. */
  onWait?: () => void;
  /** Throws after so long; by default it waits as long as it takes. */
  limitMs?: number;
};

/** Takes the lock on `path`, a file that is made when it is missing. */
export async function takeLock(path: string, options: LockOptions = {}): Promise<Lock> {
  return await takeOneLock([path], options);
}

/** Takes the lock on any one of `paths`. */
export async function takeOneLock(
  paths: readonly string[],
  { onWait = () => {}, limitMs = Infinity }: LockOptions = {},
): Promise<Lock> {
  const deadline = performance.now() + limitMs;
  for (let told = false; ; await Bun.sleep(retryMs)) {
    for (const path of paths) {
      const fd = openFd(path, O.RDWR | O.CREAT | O.CLOEXEC, 0o600);
      if (tryLock(fd)) return { release: () => closeFd(fd) };
      closeFd(fd);
    }
    if (!told) onWait();
    told = true;
    if (performance.now() >= deadline)
      throw new Error(`other processes hold the lock ${paths.join(" and ")} for more than ${limitMs} ms`);
  }
}
