/**
 * A file tree to install into: the running system's "/", or an image's tree.
 *
 * Symlinks in an image refer to places in that image: "/lib -> /usr/lib" must not lead to the host's files. So
 * every path is resolved here, link by link, and an absolute target starts at the tree's root again, as in a
 * chroot.
 */
import {
  type Stats,
  chmodSync,
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  rmSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { makeLinkAt } from "../../ffi/at.ts";
import { Directory } from "../base/directory.ts";
import { AgentError, errnoOf, isDenied, messageOf } from "../base/errors.ts";
import { baseLimits } from "../base/limits.ts";
import { OutputFile } from "../base/output-file.ts";
import { OutputPlace } from "../base/output-place.ts";
import { removeIfEmpty } from "../base/remove-if-empty.ts";
import { temporaryName } from "../base/temporary-name.ts";

const copyBytes = 1024 * 1024;

export type Outcome = "made" | "changed" | "unchanged";

export class ImageRoot {
  readonly root: string;

  constructor(root: string) {
    this.root = resolve(root);
    if (lstatOf(this.root)?.isDirectory() !== true) {
      throw new AgentError("usage", `cannot install into "${root}": it is no directory`, {
        remedy: "name the root of an image's tree",
      });
    }
  }

  get isRunningSystem(): boolean {
    return this.root === "/";
  }

  /** Where `path` of the image is on this machine. A link as its last part is not followed. */
  place(path: string): string {
    const done: string[] = [];
    const left = path.split("/").filter((part) => part !== "");
    for (let links = 0; left.length > 0;) {
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
      if (++links > baseLimits.linksFollowed)
        throw new AgentError("io", `cannot follow "${path}" in ${this.root}: too many symbolic links`);
      if (target.startsWith("/")) done.length = 0;
      left.unshift(...target.split("/").filter((name) => name !== ""));
    }
    return join(this.root, ...done);
  }

  /** A link with a missing target does not count. */
  exists(path: string): boolean {
    // The dot makes a link in the last part one that is followed.
    return lstatOf(this.place(`${path}/.`)) !== undefined;
  }

  /** The names in a directory, sorted. */
  list(path: string): string[] {
    return readdirSync(this.place(`${path}/.`)).sort();
  }

  read(path: string): string {
    return readFileSync(this.place(`${path}/.`), "utf8");
  }

  /** Never leaves half a file: it is written under another name and renamed. */
  write(path: string, content: string, mode: number): Outcome {
    return this.#replace(
      path,
      mode,
      (there) => readFileSync(there).equals(Buffer.from(content)),
      (file) => file.write(Buffer.from(content)),
    );
  }

  /** Copies a file of this machine. */
  copy(path: string, from: string, mode: number): Outcome {
    const same = (there: string): boolean =>
      lstatSync(there).size === lstatSync(from).size && readFileSync(there).equals(readFileSync(from));
    return this.#replace(path, mode, same, (file) => copyInto(file, from));
  }

  link(path: string, target: string): Outcome {
    const place = this.place(path);
    const before = lstatOf(place);
    if (before?.isSymbolicLink() === true && readlinkSync(place) === target) return "unchanged";
    return this.#carryOut("write", place, () => {
      inItsDirectory(place, (directory) => {
        const fresh = temporaryName(basename(place));
        makeLinkAt(directory.fd, fresh, target);
        directory.rename(fresh, basename(place));
      });
      return before === undefined ? "made" : "changed";
    });
  }

  /** The target of a link; undefined where there is none. */
  targetOf(path: string): string | undefined {
    const place = this.place(path);
    return lstatOf(place)?.isSymbolicLink() === true ? readlinkSync(place) : undefined;
  }

  /** Whether anything exists there, even a dangling link. */
  has(path: string): boolean {
    return lstatOf(this.place(path)) !== undefined;
  }

  /** Returns whether it existed. */
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
    removeIfEmpty(this.place(path));
  }

  #replace(path: string, mode: number, isSame: (there: string) => boolean, write: (file: OutputFile) => void): Outcome {
    const place = this.place(path);
    const before = lstatOf(place);
    return this.#carryOut("write", place, () => {
      if (before?.isFile() === true && (before.mode & 0o7777) === mode && isSame(place)) return "unchanged";
      inItsDirectory(place, (directory) => {
        const file = new OutputFile(OutputPlace.in(directory, basename(place), { mode, system: true }));
        try {
          write(file);
          file.finish();
        } finally {
          file.abandon();
        }
      });
      return before === undefined ? "made" : "changed";
    });
  }

  #carryOut<T>(what: string, place: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      // What an output says of itself is said here once more.
      if (error instanceof AgentError && error.cause === undefined) throw error;
      const cause = error instanceof AgentError ? error.cause : error;
      const denied = isDenied(cause);
      throw new AgentError(denied ? "permission" : "io", `cannot ${what} "${place}": ${messageOf(cause)}`, {
        ...(denied
          ? { remedy: "run it as root" }
          : errnoOf(cause) === "EROFS"
            ? { remedy: "the file system is read-only: install into the image that it comes from" }
            : {}),
        cause,
      });
    }
  }
}

/**
 * The directory that a place is in. Those that are made are open to all, whatever the umask: /usr/local/bin may be one. Where the work
 * fails they are removed.
 */
function inItsDirectory(place: string, work: (directory: Directory) => void): void {
  const way = dirname(place);
  const made: string[] = [];
  for (let path = way; lstatOf(path) === undefined; path = dirname(path)) made.push(path);
  let directory: Directory | undefined;
  try {
    mkdirSync(way, { recursive: true });
    for (const path of made) chmodSync(path, 0o755);
    directory = Directory.openToRead(way);
    work(directory);
  } catch (error) {
    for (const path of made) removeIfEmpty(path);
    throw error;
  } finally {
    directory?.close();
  }
}

function copyInto(file: OutputFile, from: string): void {
  const fd = openSync(from, "r");
  try {
    const buffer = Buffer.alloc(copyBytes);
    for (let count = readSync(fd, buffer); count > 0; count = readSync(fd, buffer))
      file.write(buffer.subarray(0, count));
  } finally {
    closeSync(fd);
  }
}

function lstatOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}
