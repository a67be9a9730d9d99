/**
 * A directory that is held open. Operations happen in this very directory, whatever its path leads to meanwhile,
 * and never through a link in it.
 */
import {
  fchmodSync,
  fchownSync,
  fstatSync,
  fsync,
  fsyncSync,
  readdirSync,
  readSync,
  statfsSync,
  type Stats,
  type StatsFs,
} from "node:fs";
import {
  AT_FDCWD,
  linkFdAt,
  makeDirectoryAt,
  makeFifoAt,
  openAt,
  openAtIfThere,
  removeDirectoryAt,
  renameAt,
  unlinkAt,
} from "../../ffi/at.ts";
import { closeFd, O } from "../../ffi/fd.ts";
import { AgentError, errnoOf, isDenied, messageOf, sizeRemedy } from "./errors.ts";

/** By hand: an agent has this file, and would load node:util for it. */
function synced(fd: number): Promise<void> {
  return new Promise((resolve, reject) => fsync(fd, (error) => (error === null ? resolve() : reject(error))));
}

export class Directory {
  readonly fd: number;
  /** For messages only. */
  readonly path: string;

  constructor(fd: number, path: string) {
    this.fd = fd;
    this.path = path;
  }

  /** For reading: links on the way are followed, whoever owns them. Throws a SystemError. */
  static openToRead(path: string): Directory {
    return new Directory(openAt(AT_FDCWD, path, O.PATH | O.DIRECTORY), path);
  }

  /** A directory in this one. */
  child(name: string): Directory {
    return new Directory(openAt(this.fd, name, O.PATH | O.DIRECTORY | O.NOFOLLOW), `${this.path}/${name}`);
  }

  get status(): Stats {
    return fstatSync(this.fd);
  }

  /** What there is of room. */
  get fileSystem(): StatsFs {
    return statfsSync(`/proc/self/fd/${this.fd}`);
  }

  /** Status of the entry itself, also if it is a link. */
  statusOf(name: string): Stats | undefined {
    const fd = openAtIfThere(this.fd, name, O.PATH | O.NOFOLLOW);
    if (fd === undefined) return undefined;
    try {
      return fstatSync(fd);
    } finally {
      closeFd(fd);
    }
  }

  /** Fails with ELOOP if a link is there. */
  open(name: string, flags: number, mode = 0): number {
    return openAt(this.fd, name, flags | O.NOFOLLOW | O.NOCTTY, mode);
  }

  /** A file without a name, which vanishes when it is closed. */
  openUnnamed(mode: number): number {
    return openAt(this.fd, ".", O.TMPFILE | O.RDWR, mode);
  }

  /** Gives such a file its name. False when something of that name exists already. */
  name(fd: number, name: string): boolean {
    return linkFdAt(fd, this.fd, name);
  }

  /** The bytes of a regular file, at most `bytesMax`. */
  read(name: string, bytesMax: number): Buffer {
    const fd = this.open(name, O.RDONLY | O.NONBLOCK);
    try {
      const status = fstatSync(fd);
      const refuse = (why: string): never => {
        throw new AgentError("input", `cannot read "${this.path}/${name}": ${why}`);
      };
      if (!status.isFile()) refuse("it is not a regular file");
      if (status.size > bytesMax) refuse(`it is larger than ${bytesMax} bytes`);
      const bytes = Buffer.alloc(status.size);
      let done = 0;
      for (let count = -1; count !== 0 && done < bytes.length; done += count)
        count = readSync(fd, bytes, done, bytes.length - done, done);
      return bytes.subarray(0, done);
    } finally {
      closeFd(fd);
    }
  }

  /** Nothing where somebody removed it. */
  list(): string[] {
    try {
      return readdirSync(`/proc/self/fd/${this.fd}`);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return [];
      throw error;
    }
  }

  /** This directory, and those that it lies in. */
  lineage(): Stats[] {
    const all: Stats[] = [];
    let fd = openAt(this.fd, ".", O.PATH | O.DIRECTORY);
    try {
      for (;;) {
        const status = fstatSync(fd);
        const last = all.at(-1);
        // The root's parent is the root.
        if (last?.ino === status.ino && last.dev === status.dev) return all;
        all.push(status);
        const parent = openAt(fd, "..", O.PATH | O.DIRECTORY);
        closeFd(fd);
        fd = parent;
      }
    } finally {
      closeFd(fd);
    }
  }

  makeDirectory(name: string, mode: number): void {
    makeDirectoryAt(this.fd, name, mode);
  }

  /** False if something of that name exists already. */
  makeFifo(name: string, mode: number): boolean {
    return makeFifoAt(this.fd, name, mode);
  }

  rename(from: string, to: string, into: Directory = this): void {
    renameAt(this.fd, from, into.fd, to);
  }

  /** False when there was none. */
  remove(name: string): boolean {
    return unlinkAt(this.fd, name);
  }

  removeDirectory(name: string): boolean {
    return removeDirectoryAt(this.fd, name);
  }

  /** This one, if it has this name still and is empty; directories that it lies in may have been renamed. */
  removeItself(name: string): void {
    const parent = this.child("..");
    try {
      if (parent.statusOf(name)?.ino === this.status.ino) parent.removeDirectory(name);
    } finally {
      parent.close();
    }
  }

  /** Writes new and changed names to the disk, if the file system can. */
  sync(): void {
    try {
      this.use((fd) => fsyncSync(fd));
    } catch {
      // A directory that may be written but not read, or a file system without fsync of directories: the file's bytes
      // are safe.
    }
  }

  /** The same while other work goes on. */
  async syncLater(): Promise<void> {
    let fd = -1;
    try {
      fd = openAt(this.fd, ".", O.RDONLY | O.DIRECTORY);
      await synced(fd);
    } catch {
      // As above.
    } finally {
      if (fd >= 0) closeFd(fd);
    }
  }

  /** Lends an fd of the directory that can do more than resolve names in it. */
  use(work: (fd: number) => void): void {
    const fd = openAt(this.fd, ".", O.RDONLY | O.DIRECTORY);
    try {
      work(fd);
    } finally {
      closeFd(fd);
    }
  }

  /** Mode and owner of the directory itself. */
  give(mode: number, uid: number, gid: number): void {
    this.use((fd) => {
      fchownSync(fd, uid, gid);
      fchmodSync(fd, mode);
    });
  }

  close(): void {
    closeFd(this.fd);
  }
}

/** An error of the system about a path, as an AgentError. */
export function placeError(path: string, action: string, cause: unknown): AgentError {
  // Node's text ends with the call and the path, which is told already.
  const reason = messageOf(cause).replace(/, \w+ '([^]*)'$/, (end, named) => (named === path ? "" : end));
  return new AgentError(isDenied(cause) ? "permission" : "io", `cannot ${action} "${path}": ${reason}`, {
    ...sizeRemedy(cause),
    cause,
  });
}
