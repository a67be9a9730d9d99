/**
 * A file that appears under its name only when it is complete. Until then it has no name, so that nothing of it
 * stays whatever ends us; where the file system cannot do that it has a name that nobody can guess, and a guardian
 * removes it.
 */
import { fsync, fsyncSync, readSync, writeSync } from "node:fs";
import { E, SystemError } from "../../ffi/errno.ts";
import { closeFd, O } from "../../ffi/fd.ts";
import { copyFileRange, reserveSpace, startWriteback } from "../../ffi/file-space.ts";
import { placeError } from "./directory.ts";
import { AgentError, assert, errnoOf } from "./errors.ts";
import { give } from "./give.ts";
import { guardFile } from "./guarded-file.ts";
import { isTerminal } from "./is-terminal.ts";
import { baseLimits } from "./limits.ts";
import { type OutputOptions, OutputPlace } from "./output-place.ts";
import { SmallPieces } from "./small-pieces.ts";
import { writeAll } from "./standard-output.ts";
import { synced } from "./synced.ts";
import { temporaryName } from "./temporary-name.ts";

/** Errors of open(2) if a file system, or a kernel, has no unnamed files. */
const noUnnamedFiles: ReadonlySet<number> = new Set([E.EOPNOTSUPP, E.EISDIR, E.EINVAL, E.ENOENT]);

/** Errors of copy_file_range(2) between files, or on a kernel, that cannot do it. */
const cannotCopy: ReadonlySet<number> = new Set([E.EXDEV, E.EINVAL, E.EOPNOTSUPP, E.ENOSYS, E.EPERM]);

export class OutputFile {
  readonly place: OutputPlace;
  readonly #ownsPlace: boolean;
  readonly #fd: number;
  /** The temporary name, if it has one, and the function that releases its guardian. */
  readonly #temporary: { name: string; release: () => void } | undefined;
  #position = 0;
  /** Of the bytes before the position, the last ones, which are not written yet. */
  readonly #small = new SmallPieces();
  /** Up to here the disk was told to write. */
  #begun = 0;
  #closed = false;
  /** It stands under its name, and is closed when the disk has it. */
  #isSettling = false;

  /** A path, or a place that the caller closes. `unnamed`: for tests. Throws an AgentError. */
  constructor(target: string | OutputPlace, options: OutputOptions = {}, unnamed = true) {
    this.#ownsPlace = typeof target === "string";
    this.place = typeof target === "string" ? OutputPlace.find(target, options) : target;
    const { directory, descriptor } = this.place;
    if (directory === undefined) {
      this.#fd = descriptor ?? -1;
      return;
    }
    try {
      const fd = unnamed ? this.#openUnnamed() : undefined;
      const temporary = fd === undefined ? this.#openNamed() : undefined;
      this.#fd = fd ?? temporary?.fd ?? -1;
      this.#temporary = temporary;
      try {
        this.#give();
      } catch (error) {
        this.abandon();
        throw error;
      }
    } catch (cause) {
      throw this.#error(cause);
    }
  }

  get position(): number {
    return this.#position;
  }

  /** For its file system, not its bytes: the last ones may not be written yet. */
  get fd(): number {
    return this.#fd;
  }

  write(bytes: Uint8Array): void {
    try {
      if (this.place.directory === undefined) writeAll(this.#fd, bytes, this.place.shown);
      else if (!this.#small.take(bytes)) {
        this.flush();
        this.#writeAt(bytes, this.#position);
      }
    } catch (cause) {
      throw this.#error(cause);
    }
    this.#position += bytes.length;
    this.#beginWriting();
  }

  /** Appends bytes of another file; the copy is made inside the kernel where it can. */
  copyFrom(fd: number, offset: number, bytes: number): void {
    assert(this.place.directory !== undefined, "a stream is written from memory");
    try {
      this.flush();
      for (let done = 0; done < bytes;) {
        const copied = copyFileRange(fd, offset + done, this.#fd, this.#position, bytes - done);
        if (copied === -E.EINTR) continue;
        if (copied < 0 && !cannotCopy.has(-copied)) throw new SystemError("copy_file_range", this.place.path, -copied);
        const count = copied > 0 ? copied : this.#copyThroughMemory(fd, offset + done, bytes - done);
        this.#position += count;
        done += count;
      }
    } catch (cause) {
      throw this.#error(cause);
    }
    this.#beginWriting();
  }

  /** Announces that this many bytes will follow. Throws when the disk has no room for them. */
  reserve(bytes: number): void {
    try {
      if (this.place.directory !== undefined) reserveSpace(this.#fd, this.#position, bytes);
    } catch (cause) {
      throw this.#error(cause);
    }
  }

  /** Writes zeros up to the next multiple of `size`; nothing if the position is one. */
  align(size: number): void {
    this.write(new Uint8Array((size - (this.#position % size)) % size));
  }

  /** Overwrites bytes at `position`. */
  patch(position: number, bytes: Uint8Array): void {
    assert(this.place.directory !== undefined, "a stream is written from its beginning to its end");
    try {
      this.flush();
      this.#writeAt(bytes, position);
    } catch (cause) {
      throw this.#error(cause);
    }
  }

  /** Small pieces that are held go to the file, which takes no memory for them any more. */
  flush(): void {
    const { bytes } = this.#small;
    if (bytes === 0) return;
    try {
      this.#writeAt(this.#small.give(), this.#position - bytes);
    } catch (cause) {
      throw this.#error(cause);
    }
    this.#small.release();
  }

  finish(): void {
    if (this.place.directory === undefined) return this.#close();
    try {
      this.flush();
      if (this.place.options.fleeting !== true) fsyncSync(this.#fd);
    } catch (cause) {
      throw this.#error(cause);
    }
    this.#appear();
  }

  /** Makes the disk begin to write all of it: so the disk has many files in the time of few. */
  begin(): void {
    if (this.place.directory === undefined) return;
    this.flush();
    startWriteback(this.#fd, 0, this.#position);
  }

  /** The same where the disk has its bytes, after flush(): the caller has brought the file system there, and does so again, for the names. */
  finishSynced(): void {
    this.#rename();
    this.#close();
  }

  /** The same where other work goes on meanwhile: the disk may take long. It is told to take the name, too, which is not waited for. */
  async finishLater(): Promise<void> {
    try {
      this.flush();
      await synced(this.#fd);
    } catch (cause) {
      throw this.#error(cause);
    }
    this.#rename();
    if (this.place.options.fleeting !== true) void this.place.directory?.syncLater();
    this.#close();
  }

  /**
   * It appears at once; the disk is told to write it, and not waited for, which may take long. Whatever ends this process, it is there; a
   * sudden end of the machine may leave the earlier file, or an empty one.
   */
  finishSoon(): void {
    if (this.place.directory === undefined) return this.#close();
    this.#rename();
    this.#isSettling = true;
    // What the disk cannot keep is told by whoever reads or copies it.
    fsync(this.#fd, () => this.#close());
  }

  #appear(): void {
    const { directory } = this.place;
    if (directory === undefined) return this.#close();
    this.#rename();
    if (this.place.options.fleeting !== true) directory.sync();
    this.#close();
  }

  #rename(): void {
    const { directory, name } = this.place;
    if (directory === undefined) return;
    try {
      this.flush();
      const isNew = this.place.options.isNew === true && this.#temporary === undefined;
      if (isNew && directory.name(this.#fd, name)) return;
      // Most often nothing is there: then its first name is its own.
      if (this.place.checkAgain() && this.#temporary === undefined && directory.name(this.#fd, name)) return;
      const temporary = this.#temporary?.name ?? temporaryName(name);
      if (this.#temporary === undefined) assert(directory.name(this.#fd, temporary), "a secret name is taken");
      try {
        directory.rename(temporary, name);
      } catch (error) {
        directory.remove(temporary);
        throw error;
      }
    } catch (cause) {
      throw this.#error(cause);
    }
  }

  /** Leaves nothing behind. An earlier file of the name is unchanged. */
  abandon(): void {
    if (this.#closed || this.#isSettling) return;
    if (this.#temporary !== undefined) this.place.directory?.remove(this.#temporary.name);
    this.#close();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#temporary?.release();
    this.#small.release();
    // stdout and stderr are not ours to close.
    if (this.#fd > 2) closeFd(this.#fd);
    if (this.#ownsPlace) this.place.close();
  }

  #beginWriting(): void {
    if (this.place.directory === undefined || this.#position - this.#begun < baseLimits.writebackBytes) return;
    startWriteback(this.#fd, this.#begun, this.#position - this.#begun);
    this.#begun = this.#position;
  }

  #copyThroughMemory(fd: number, offset: number, bytes: number): number {
    const piece = new Uint8Array(Math.min(bytes, baseLimits.copyBytes));
    const count = readSync(fd, piece, 0, piece.length, offset);
    if (count === 0)
      throw new AgentError("io", `cannot write "${this.place.path}": what is copied is shorter than it was`);
    this.#writeAt(piece.subarray(0, count), this.#position);
    return count;
  }

  #writeAt(bytes: Uint8Array, position: number): void {
    for (let done = 0; done < bytes.length;)
      done += writeSync(this.#fd, bytes, done, bytes.length - done, position + done);
  }

  #openUnnamed(): number | undefined {
    try {
      return this.place.directory?.openUnnamed(0o600);
    } catch (error) {
      if (error instanceof SystemError && noUnnamedFiles.has(error.errno)) return undefined;
      throw error;
    }
  }

  #openNamed(): { name: string; fd: number; release: () => void } {
    const { directory, name } = this.place;
    assert(directory !== undefined, "a file is in a directory");
    const temporary = temporaryName(name);
    const fd = directory.open(temporary, O.RDWR | O.CREAT | O.EXCL, 0o600);
    return { name: temporary, fd, release: guardFile(directory, temporary) };
  }

  #give(): void {
    const { directory, options } = this.place;
    const { group, system = false, mode = group === undefined ? 0o600 : 0o640 } = options;
    give(this.#fd, system ? undefined : directory?.status.uid, group, mode);
  }

  #error(cause: unknown): unknown {
    if (errnoOf(cause) === undefined) return cause;
    return placeError(this.place.path, this.place.options.action ?? "write", cause);
  }
}

/** Refuses a terminal for binary output. */
export function refuseTerminal({ descriptor, path }: OutputPlace, what: string, remedy: string): void {
  if (descriptor === undefined || !isTerminal(descriptor)) return;
  throw new AgentError("usage", `cannot write ${what} to ${path === "-" ? "a terminal" : `"${path}", a terminal`}`, {
    remedy,
  });
}
