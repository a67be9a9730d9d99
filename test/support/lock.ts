/** Waits for a lock that is shared by all processes of this machine. The kernel drops it when its holder dies. */
import { closeFd, O, openFd } from "../../ffi/fd.ts";
import { tryLock } from "../../ffi/lock.ts";

const retryMs = 100;

export type Lock = { release: () => void };

/** Takes the lock on `path`. `onWait` is called once if another process holds it. */
export async function takeLock(path: string, onWait: () => void = () => {}): Promise<Lock> {
  const fd = openFd(path, O.RDWR | O.CREAT, 0o600);
  for (let told = false; !tryLock(fd); await Bun.sleep(retryMs)) {
    if (!told) onWait();
    told = true;
  }
  return { release: () => closeFd(fd) };
}
