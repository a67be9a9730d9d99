/** inotify(7): which of some directories changed. */
import { ptr } from "bun:ffi";
import { cString } from "./c-string.ts";
import { closeFd, O, readInto } from "./fd.ts";
import { errno } from "./libc.ts";
import { libcInotify } from "./libc-host.ts";
import { E, SystemError } from "./errno.ts";
import { type DirectoryChange, eventsIn } from "./inotify-events.ts";

const IN_MOVED_FROM = 0x40;
const IN_MOVED_TO = 0x80;
const IN_CREATE = 0x100;
const IN_DELETE = 0x200;
const IN_DELETE_SELF = 0x400;
const IN_MOVE_SELF = 0x800;
const IN_ONLYDIR = 0x1000000;
const entryChanges = IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

/** As many as one read takes. An event with the longest name has 272 bytes, and a read with room for none is refused. */
const readBytes = 16 * 1024;

/** A descriptor that is readable when something happened. Throws a SystemError: EMFILE where the user has as many as are allowed. */
export function openInotify(): number {
  // IN_NONBLOCK and IN_CLOEXEC are the O_ flags of the same name.
  const fd = libcInotify().inotify_init1(O.CLOEXEC | O.NONBLOCK);
  if (fd < 0) throw new SystemError("inotify_init1", "", errno());
  return fd;
}

/** Entries that come and go, and the directory itself. Throws a SystemError: ENOSPC where the user has as many as are allowed. */
export function watchDirectory(fd: number, directory: string): number {
  const watch = libcInotify().inotify_add_watch(fd, ptr(cString(directory)), entryChanges);
  if (watch < 0) throw new SystemError("inotify_add_watch", JSON.stringify(directory), errno());
  return watch;
}

export class Inotify {
  readonly fd = openInotify();
  readonly #buffer = new Uint8Array(new ArrayBuffer(readBytes));

  watch(directory: string): number {
    return watchDirectory(this.fd, directory);
  }

  /** One that the kernel has taken away already is no error. */
  unwatch(watch: number): void {
    if (libcInotify().inotify_rm_watch(this.fd, watch) >= 0) return;
    const number = errno();
    if (number !== E.EINVAL) throw new SystemError("inotify_rm_watch", `${watch}`, number);
  }

  /** What has happened since the last call. */
  *changes(): Generator<DirectoryChange> {
    for (;;) {
      const count = readInto(this.fd, this.#buffer);
      if (count === -E.EAGAIN || count === 0) return;
      if (count === -E.EINTR) continue;
      if (count < 0) throw new SystemError("read", "inotify", -count);
      yield* eventsIn(this.#buffer, count);
    }
  }

  close(): void {
    closeFd(this.fd);
  }
}
