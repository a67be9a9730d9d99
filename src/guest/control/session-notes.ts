/**
 * Notes in a file of /run what a session found in the tracing directory before it changed it: if this process is
 * killed, its successor restores that.
 *
 *     {"kind":"trace-agent session","version":1,"boot":"...","directory":"/sys/kernel/tracing"}
 *     {"key":"events","value":"irq:irq_handler_entry"}
 *
 * One file for each tracing directory, named by its device and inode, and only while something must be restored.
 * Its owner holds a lock on it, which ends with the process: a file that is not locked was left by a killed one.
 */
import {
  chmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readSync,
  realpathSync,
  statSync,
  type Stats,
  unlinkSync,
  writeSync,
} from "node:fs";
import { E, SystemError } from "../../../ffi/errno.ts";
import { closeFd, O, openFd } from "../../../ffi/fd.ts";
import { tryLock } from "../../../ffi/lock.ts";
import { AgentError, messageOf } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import { guestLimits } from "../limits.ts";
import { headerOf, type NotesHeader, readHeader, readNotes } from "./notes-text.ts";
import type { EarlierValue, Notes } from "./settings.ts";

export const notesFolder = "/run/trace-agent";

export class SessionNotes implements Notes {
  readonly #folder: string;
  readonly #tracingDirectory: string;
  readonly #header: NotesHeader;
  /** Identity of the current tracing directory: an instance can be removed and made again. */
  #path: string;
  /** Our file, locked; -1 while there is nothing to restore. */
  #fd = -1;
  #told = false;

  constructor(tracingDirectory: string, boot: string, folder: string = notesFolder) {
    this.#folder = folder;
    this.#tracingDirectory = tracingDirectory;
    this.#path = this.#findPath();
    this.#header = { boot, directory: realpathSync(tracingDirectory) };
  }

  /** What a killed agent had noted of this tracing directory. Its file is ours until `clear()`. */
  takeOver(): EarlierValue[] {
    try {
      if (!this.#prepareFolder(false)) return [];
      this.#removeForgotten();
      const fd = openOwn(this.#path);
      if (fd === undefined) return [];
      const notes = readNotes(readAll(fd), this.#header);
      this.#fd = fd;
      if (notes.length === 0) this.clear();
      return notes;
    } catch (error) {
      log.warn(`cannot read what a killed agent had set, in ${this.#path}: ${messageOf(error)}`);
      return [];
    }
  }

  /** Throws where a live agent has changed the same tracing directory. */
  add(key: EarlierValue["key"], value: string): void {
    try {
      if (this.#fd < 0) this.#create();
      writeSync(this.#fd, `${JSON.stringify({ key, value })}\n`);
    } catch (error) {
      if (error instanceof AgentError) throw error;
      if (!this.#told)
        log.warn(`settings are not restored after a crash: cannot note them in ${this.#path}: ${messageOf(error)}`);
      this.#told = true;
    }
  }

  clear(): void {
    if (this.#fd < 0) return;
    try {
      unlinkSync(this.#path);
    } catch (error) {
      log.debug(`cannot remove ${this.#path}: ${messageOf(error)}`);
    }
    this.close();
  }

  close(): void {
    if (this.#fd >= 0) closeFd(this.#fd);
    this.#fd = -1;
  }

  #findPath(): string {
    return `${this.#folder}/${fileName(statSync(this.#tracingDirectory))}`;
  }

  #create(): void {
    this.#prepareFolder(true);
    this.#path = this.#findPath();
    if (lstatSync(this.#path, { throwIfNoEntry: false }) !== undefined) {
      const left = openOwn(this.#path);
      if (left === undefined) {
        throw new AgentError(
          "unavailable",
          `another trace-agent must still restore settings of ${this.#header.directory}`,
          {
            remedy: "end it, or wait until its session is over",
          },
        );
      }
      // From an agent that was killed after we had started.
      unlinkSync(this.#path);
      closeFd(left);
    }
    // O_EXCL follows no link.
    const fd = openFd(this.#path, O.RDWR | O.CREAT | O.EXCL | O.APPEND, 0o600);
    if (!tryLock(fd)) {
      closeFd(fd);
      throw new Error("somebody else has locked it");
    }
    this.#fd = fd;
    writeSync(fd, headerOf(this.#header));
  }

  /** False where there is none and `make` is false. Throws if it is not a directory of ours alone. */
  #prepareFolder(make: boolean): boolean {
    const status = lstatSync(this.#folder, { throwIfNoEntry: false });
    if (status === undefined && !make) return false;
    if (status === undefined) mkdirSync(this.#folder, { mode: 0o700 });
    else if (!status.isDirectory() || status.uid !== process.geteuid?.())
      throw new Error(`${this.#folder} is not a directory of this user's`);
    // A recorder lets others through it, to its own folder there.
    else if ((status.mode & 0o66) !== 0) chmodSync(this.#folder, status.mode & 0o711);
    return true;
  }

  /** Files of tracing directories that are gone, and of earlier boots: nobody needs them. */
  #removeForgotten(): void {
    for (const name of readdirSync(this.#folder).slice(0, guestLimits.notesFilesMax)) {
      const path = `${this.#folder}/${name}`;
      if (!/^\d+-\d+$/.test(name) || path === this.#path) continue;
      const fd = openOwn(path);
      if (fd === undefined) continue;
      const [first = ""] = readAll(fd).split("\n", 1);
      const header = readHeader(first);
      const status = header === undefined ? undefined : statSync(header.directory, { throwIfNoEntry: false });
      if (header?.boot !== this.#header.boot || status === undefined || fileName(status) !== name) unlinkSync(path);
      closeFd(fd);
    }
  }
}

/** Not by its path: an instance that was removed and made again has nothing to do with the notes of the first. */
function fileName({ dev, ino }: Stats): string {
  return `${dev}-${ino}`;
}

/** Undefined when there is none, or its owner lives. A file that is not ours alone is removed, and not read. */
function openOwn(path: string): number | undefined {
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status === undefined) return undefined;
  if (!status.isFile() || status.uid !== process.geteuid?.() || (status.mode & 0o77) !== 0 || status.nlink !== 1) {
    unlinkSync(path);
    throw new Error("it is not a file of this user's alone: removed");
  }
  const fd = openThere(path);
  if (fd === undefined) return undefined;
  try {
    const opened = fstatSync(fd);
    if (opened.dev === status.dev && opened.ino === status.ino && tryLock(fd)) {
      // Its owner may have removed it before releasing the lock.
      if (fstatSync(fd).nlink === 1) return fd;
    }
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
  }
  closeFd(fd);
  return undefined;
}

/** Undefined where its owner, or another agent, has removed it meanwhile. */
function openThere(path: string): number | undefined {
  try {
    return openFd(path, O.RDWR | O.APPEND | O.NONBLOCK);
  } catch (error) {
    if (error instanceof SystemError && error.errno === E.ENOENT) return undefined;
    throw error;
  }
}

function readAll(fd: number): string {
  const bytes = Buffer.alloc(guestLimits.notesBytes);
  return bytes.toString("utf8", 0, readSync(fd, bytes, 0, bytes.length, 0));
}
