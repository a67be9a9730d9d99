/**
 * A file tree to install into: the running system's "/", or an image's tree somewhere.
 *
 * Symlinks in an image mean places in that image: "/lib -> /usr/lib" must not lead to the host's files. So every path is
 * walked here, link by link, and an absolute target begins at the tree's root again, as in a chroot.
 */
import {
  type Stats,
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { AgentError, messageOf } from "../errors.ts";

/** Linux gives up a path after so many links, too (path_resolution(7)). */
const linksMax = 40;

export type Outcome = "made" | "changed" | "unchanged";

export class ImageRoot {
  readonly root: string;

  constructor(root: string) {
    this.root = resolve(root);
    if (lstatOf(this.root)?.isDirectory() !== true) {
      throw new AgentError("usage", `cannot install into "${root}": it is no directory`, { remedy: "name the root of an image's tree" });
    }
  }

  get isRunningSystem(): boolean {
    return this.root === "/";
  }

  /** Where `path` of the image lies on this machine. A link as its last part is not followed. */
  place(path: string): string {
    const done: string[] = [];
    const left = path.split("/").filter((part) => part !== "");
    for (let links = 0; left.length > 0; ) {
      const part = left.shift() ?? "";
      if (part === "." || part === "..") {
        if (part === "..") done.pop();
        continue;
      }
      const here = join(this.root, ...done, part);
      const target = left.length > 0 && lstatOf(here)?.isSymbolicLink() === true ? readlinkSync(here) : undefined;
      if (target === undefined) {
        done.push(part);
        continue;
      }
      if (++links > linksMax) throw new AgentError("io", `cannot follow "${path}" in ${this.root}: too many symbolic links`);
      if (target.startsWith("/")) done.length = 0;
      left.unshift(...target.split("/").filter((name) => name !== ""));
    }
    return join(this.root, ...done);
  }

  /** A link whose target is not there does not count. */
  exists(path: string): boolean {
    // The dot makes a link in the last part one to follow.
    return lstatOf(this.place(`${path}/.`)) !== undefined;
  }

  /** The names in a directory, in order. */
  list(path: string): string[] {
    return readdirSync(this.place(`${path}/.`)).sort();
  }

  read(path: string): string {
    return readFileSync(this.place(`${path}/.`), "utf8");
  }

  /** Never leaves half a file: it is written beside and renamed into place. */
  write(path: string, content: string, mode: number): Outcome {
    return this.#replace(path, mode, (there) => readFileSync(there).equals(Buffer.from(content)), (fresh) => writeFileSync(fresh, content));
  }

  /** Copies a file of this machine. */
  copy(path: string, from: string, mode: number): Outcome {
    const same = (there: string): boolean => lstatSync(there).size === lstatSync(from).size && readFileSync(there).equals(readFileSync(from));
    return this.#replace(path, mode, same, (fresh) => copyFileSync(from, fresh, constants.COPYFILE_FICLONE));
  }

  link(path: string, target: string): Outcome {
    const place = this.place(path);
    const before = lstatOf(place);
    if (before?.isSymbolicLink() === true && readlinkSync(place) === target) return "unchanged";
    return this.#carryOut("write", place, () => {
      mkdirSync(dirname(place), { recursive: true });
      const fresh = freshName(place);
      symlinkSync(target, fresh);
      renameSync(fresh, place);
      return before === undefined ? "made" : "changed";
    });
  }

  /** Says whether it was there. */
  remove(path: string): boolean {
    const place = this.place(path);
    if (lstatOf(place) === undefined) return false;
    return this.#carryOut("remove", place, () => {
      rmSync(place);
      return true;
    });
  }

  /** Removes a directory that is empty. */
  removeEmpty(path: string): void {
    try {
      rmdirSync(this.place(path));
    } catch {
      // Others' files are in it, or it is not there.
    }
  }

  #replace(path: string, mode: number, isSame: (there: string) => boolean, write: (fresh: string) => void): Outcome {
    const place = this.place(path);
    const before = lstatOf(place);
    return this.#carryOut("write", place, () => {
      if (before?.isFile() === true && (before.mode & 0o7777) === mode && isSame(place)) return "unchanged";
      mkdirSync(dirname(place), { recursive: true });
      const fresh = freshName(place);
      try {
        write(fresh);
        chmodSync(fresh, mode);
        sync(fresh);
        renameSync(fresh, place);
      } finally {
        rmSync(fresh, { force: true });
      }
      return before === undefined ? "made" : "changed";
    });
  }

  #carryOut<T>(what: string, place: string, work: () => T): T {
    try {
      return work();
    } catch (cause) {
      const code = cause instanceof Error && "code" in cause ? cause.code : "";
      const denied = code === "EACCES" || code === "EPERM";
      throw new AgentError(denied ? "permission" : "io", `cannot ${what} "${place}": ${messageOf(cause)}`, {
        ...(denied ? { remedy: "run it as root" } : code === "EROFS" ? { remedy: "the file system is read-only: install into the image that it comes from" } : {}),
        cause,
      });
    }
  }
}

function freshName(place: string): string {
  return join(dirname(place), `.${basename(place)}.${process.pid}`);
}

function sync(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function lstatOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}
