/** Resolves a path to the directory and the entry that it means, without following other users' links. */
import { fstatSync, readlinkSync, type Stats } from "node:fs";
import { AT_FDCWD, linkTarget, openAt } from "../../ffi/at.ts";
import { E, SystemError } from "../../ffi/errno.ts";
import { closeFd, O } from "../../ffi/fd.ts";
import { Directory, placeError } from "./directory.ts";
import { AgentError } from "./errors.ts";
import { baseLimits } from "./limits.ts";
import { isTrusted } from "./owners.ts";

/** Where a path leads: an entry of a directory. `status` is undefined if it does not exist. */
export type Located = { directory: Directory; name: string; status: Stats | undefined };

/**
 * Resolves a path, including links on the way and at its end if they are ours or root's. `action` begins the error:
 * "write", "record to". The caller closes the directory.
 */
export function locate(path: string, action: string): Located {
  const walk = new Walk(path);
  try {
    return walk.toItsEnd();
  } catch (cause) {
    walk.close();
    if (cause instanceof ForeignLink) throw foreignLink(path, action, cause);
    throw placeError(path, action, cause);
  }
}

/** Of a directory that may be new: a slash at its end says nothing. */
export function directoryPath(path: string): string {
  return path.replace(/(?<=[^/])\/+$/, "");
}

class Walk {
  readonly #path: string;
  readonly #left: string[] = [];
  #here = -1;
  #links = 0;

  constructor(path: string) {
    this.#path = path;
  }

  toItsEnd(): Located {
    this.#goOn(this.#path);
    if (this.#here < 0) this.#start(".");
    for (;;) {
      const part = this.#left.shift();
      if (part === undefined) return this.#found(".", fstatSync(this.#here));
      if (part === ".") continue;
      const last = this.#left.length === 0;
      const fd = this.#open(part, last);
      if (fd === undefined) return this.#found(part, undefined);
      const status = fstatSync(fd);
      if (status.isSymbolicLink()) this.#follow(fd, part, status.uid);
      else if (last) {
        closeFd(fd);
        return this.#found(part, status);
      } else {
        // If it is no directory, the next step fails with ENOTDIR.
        closeFd(this.#here);
        this.#here = fd;
      }
    }
  }

  close(): void {
    if (this.#here >= 0) closeFd(this.#here);
  }

  /** Undefined: the last part of the path does not exist. */
  #open(part: string, last: boolean): number | undefined {
    try {
      return openAt(this.#here, part, O.PATH | O.NOFOLLOW);
    } catch (error) {
      if (last && error instanceof SystemError && error.errno === E.ENOENT) return undefined;
      throw error;
    }
  }

  #follow(fd: number, part: string, uid: number): void {
    let target: string;
    try {
      target = linkTarget(fd);
    } finally {
      closeFd(fd);
    }
    if (!isTrusted(uid)) throw new ForeignLink(part, uid);
    if (++this.#links > baseLimits.linksFollowed) throw new SystemError("open", JSON.stringify(part), E.ELOOP);
    this.#goOn(target);
  }

  #goOn(path: string): void {
    if (path.startsWith("/")) this.#start("/");
    // A trailing slash asks for a directory.
    if (path.endsWith("/")) this.#left.unshift(".");
    this.#left.unshift(...path.split("/").filter((part) => part !== ""));
  }

  #start(path: "/" | "."): void {
    const fd = openAt(AT_FDCWD, path, O.PATH | O.DIRECTORY);
    this.close();
    this.#here = fd;
  }

  #found(name: string, status: Stats | undefined): Located {
    const written = /^(.*?)\/*[^/]*\/*$/.exec(this.#path)?.[1] ?? "";
    const asWritten = written === "" ? (this.#path.startsWith("/") ? "/" : ".") : written;
    const path = this.#links === 0 ? asWritten : readlinkSync(`/proc/self/fd/${this.#here}`);
    return { directory: new Directory(this.#here, path), name, status };
  }
}

class ForeignLink extends Error {
  readonly part: string;
  readonly uid: number;

  constructor(part: string, uid: number) {
    super(`"${part}" is a symbolic link of user ${uid}`);
    this.part = part;
    this.uid = uid;
  }
}

function foreignLink(path: string, action: string, { part, uid }: ForeignLink): AgentError {
  return new AgentError(
    "permission",
    `cannot ${action} "${path}": "${part}" is a symbolic link of user ${uid}, who is neither you nor root`,
    { remedy: "name the place that it leads to, if that is meant" },
  );
}
