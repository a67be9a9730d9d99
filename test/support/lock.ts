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
export async function takeLock(path: string, { onWait = () => {}, limitMs = Infinity }: LockOptions = {}): Promise<Lock> {
  const fd = openFd(path, O.RDWR | O.CREAT, 0o600);
  const deadline = Date.now() + limitMs;
  for (let told = false; !tryLock(fd); await Bun.sleep(retryMs)) {
    if (!told) onWait();
    told = true;
    if (Date.now() < deadline) continue;
    closeFd(fd);
    throw new Error(`another process holds the lock ${path} for more than ${limitMs} ms`);
  }
  return { release: () => closeFd(fd) };
}
