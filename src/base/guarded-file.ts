/**
 * Removes a temporary file when this process has ended, however it ended: a shell waits for the end of a pipe whose
 * other end we hold. For file systems without unnamed files (O_TMPFILE): NFS, FAT, FUSE.
 */
import { closeFd } from "../../ffi/fd.ts";
import { makePipe } from "../../ffi/pipe.ts";
import type { Directory } from "./directory.ts";

const shell = "/bin/sh";

/** Call the result to release the guardian; the file must have its own name by then, or be removed. */
export function guardFile(directory: Directory, name: string): () => void {
  const pipe = makePipe();
  try {
    const guardian = Bun.spawn([shell, "-c", 'read -r word; exec rm -f -- "./$1"', "sh", name], {
      cwd: directory.path,
      stdin: pipe.read,
      stdout: "ignore",
      stderr: "ignore",
      // A Ctrl-C is for this program: the guardian works after it.
      detached: true,
    });
    guardian.unref();
    return () => closeFd(pipe.write);
  } catch {
    // No shell: a kill leaves the file behind.
    return () => closeFd(pipe.write);
  } finally {
    closeFd(pipe.read);
  }
}
