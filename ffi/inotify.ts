/** inotify(7): which of some directories changed. Names of entries are not told: who is told looks at the directory itself. */
import { ptr } from "bun:ffi";
import { cString } from "./c-string.ts";
import { closeFd, O, readInto } from "./fd.ts";
import { errno } from "./libc.ts";
import { libcHost } from "./libc-host.ts";
import { E, SystemError } from "./errno.ts";

/** include/uapi/linux/inotify.h */
export const IN = { Q_OVERFLOW: 0x4000, IGNORED: 0x8000 } as const;
const IN_MOVED_FROM = 0x40;
const IN_MOVED_TO = 0x80;
const IN_CREATE = 0x100;
const IN_DELETE = 0x200;
const IN_DELETE_SELF = 0x400;
const IN_MOVE_SELF = 0x800;
const IN_ONLYDIR = 0x1000000;
const entryChanges = IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

/** struct inotify_event: i32 watch, u32 mask, u32 cookie, u32 length of the name that follows. */
const eventBytes = 16;
/** As many as one read takes. An event with the longest name has 272 bytes, and a read with room for none is refused. */
const readBytes = 16 * 1024;

/** `watch`: which one, -1 for none in particular; IN.Q_OVERFLOW: some were dropped; IN.IGNORED: the watch is gone. */
export type DirectoryChange = { watch: number; mask: number };

export class Inotify {
  readonly fd: number;
  readonly #buffer = new Uint8Array(new ArrayBuffer(readBytes));
  readonly #view = new DataView(this.#buffer.buffer);

  /** Throws a SystemError: EMFILE where the user has as many as are allowed, ENOSYS where the kernel has none. */
  constructor() {
    // IN_NONBLOCK and IN_CLOEXEC are the O_ flags of the same name.
    this.fd = libcHost.inotify_init1(O.CLOEXEC | O.NONBLOCK);
    if (this.fd < 0) throw new SystemError("inotify_init1", "", errno());
  }

  /** Entries that come and go, and the directory itself. Throws a SystemError: ENOSPC where the user has as many as are allowed. */
  watch(directory: string): number {
    const watch = libcHost.inotify_add_watch(this.fd, ptr(cString(directory)), entryChanges);
    if (watch < 0) throw new SystemError("inotify_add_watch", JSON.stringify(directory), errno());
    return watch;
  }

  /** One that the kernel has taken away already is no error. */
  unwatch(watch: number): void {
    if (libcHost.inotify_rm_watch(this.fd, watch) >= 0) return;
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
      for (let at = 0; at + eventBytes <= count;) {
        yield { watch: this.#view.getInt32(at, true), mask: this.#view.getUint32(at + 4, true) };
        at += eventBytes + this.#view.getUint32(at + 12, true);
      }
    }
  }

  close(): void {
    closeFd(this.fd);
  }
}
