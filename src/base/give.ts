/** Sets owner, group and mode of a new file or directory. */
import { fchmodSync, fchownSync } from "node:fs";
import { messageOf } from "./errors.ts";
import { log } from "./log.ts";
import { ownerIn } from "./owners.ts";

/**
 * `directoryUid`: owner of the directory that it was made in; undefined: it stays ours. FAT and some network file
 * systems have one owner and one mode for all files: that is no error, unless a group was requested.
 */
export function give(fd: number, directoryUid: number | undefined, group: number | undefined, mode: number): void {
  const owner = directoryUid === undefined ? undefined : ownerIn(directoryUid, group);
  try {
    // Owner first: a change of owner clears bits of the mode.
    if (owner !== undefined) fchownSync(fd, owner.uid, owner.gid);
    fchmodSync(fd, mode);
  } catch (error) {
    if (group !== undefined) throw error;
    log.debug(`a file keeps the owner and the mode that its file system gives: ${messageOf(error)}`);
  }
}
