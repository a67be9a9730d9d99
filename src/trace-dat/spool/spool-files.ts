/**
 * The files of a spool. It may be in somebody else's directory, or be somebody else's: operations happen in the
 * directory that was opened, and links in it are not followed.
 */
import { fstatSync, type Stats } from "node:fs";
import { closeFd, O } from "../../../ffi/fd.ts";
import { type Directory, placeError } from "../../base/directory.ts";
import { AgentError } from "../../base/errors.ts";
import { give } from "../../base/give.ts";
import { OutputFile } from "../../base/output-file.ts";
import { OutputPlace } from "../../base/output-place.ts";
import { tracefsLimits } from "../../tracefs/limits.ts";
import type { StreamPieces } from "../write/recording.ts";

/**
 * `bytes` of a stream, from `from` on. `open` returns an fd, which the caller closes; `pieces`: where the stream lies in several files, of
 * which the first may be gone.
 */
export type SpooledStream = {
  cpu: number;
  path: string;
  from: number;
  bytes: number;
  open: () => number;
  pieces?: StreamPieces;
};

/** The CPU of a stream's file. */
function cpuOf(name: string): number | undefined {
  const cpu = Number(/^cpu(0|[1-9]\d{0,4})$/.exec(name)?.[1]);
  return cpu < tracefsLimits.cpusMax ? cpu : undefined;
}

/** The name of a piece of a stream. */
export function pieceName(cpu: number, index: number): string {
  return `cpu${cpu}.${index}`;
}

/** What `pieceName` made of it. */
function pieceOf(name: string): { cpu: number; index: number } | undefined {
  const [, stream = "", index] = /^(cpu\d{1,5})\.(0|[1-9]\d{0,11})$/.exec(name) ?? [];
  const cpu = cpuOf(stream);
  return cpu === undefined ? undefined : { cpu, index: Number(index) };
}

/** The stream of a CPU, or a piece of one. */
export function isStream(name: string): boolean {
  return cpuOf(name) !== undefined || pieceOf(name) !== undefined;
}

export class SpoolFiles {
  readonly directory: Directory;
  readonly #group: number | undefined;
  /** So many files were written anew. */
  made = 0;

  /** `group`: may read new files. */
  constructor(directory: Directory, group: number | undefined) {
    this.directory = directory;
    this.#group = group;
  }

  /** A new file; the caller closes it. */
  create(name: string): number {
    try {
      const fd = this.directory.open(name, O.RDWR | O.CREAT | O.EXCL, 0o600);
      give(fd, this.directory.status.uid, this.#group, this.#group === undefined ? 0o600 : 0o640);
      return fd;
    } catch (cause) {
      throw placeError(this.#path(name), "write", cause);
    }
  }

  /** To write at its end; made where there is none. The caller closes it. */
  openToAppend(name: string): { fd: number; bytes: number } {
    const status = this.directory.statusOf(name);
    if (status === undefined) return { fd: this.create(name), bytes: 0 };
    this.#check(name, status);
    try {
      return { fd: this.directory.open(name, O.WRONLY | O.APPEND), bytes: status.size };
    } catch (cause) {
      throw placeError(this.#path(name), "write", cause);
    }
  }

  /** It is there when it is finished. */
  newFile(name: string): OutputFile {
    this.made++;
    return new OutputFile(OutputPlace.in(this.directory, name, { group: this.#group }));
  }

  /** It is there at once. The disk is not waited for: other guests' ports would not be read meanwhile. */
  write(name: string, content: string | Uint8Array): void {
    const file = this.newFile(name);
    try {
      file.write(typeof content === "string" ? Buffer.from(content) : content);
      file.finishSoon();
    } finally {
      file.abandon();
    }
  }

  /** Undefined if the file does not exist. */
  read(name: string, bytesMax: number): Buffer | undefined {
    const status = this.directory.statusOf(name);
    if (status === undefined) return undefined;
    this.#check(name, status);
    try {
      return this.directory.read(name, bytesMax);
    } catch (cause) {
      throw cause instanceof AgentError ? cause : placeError(this.#path(name), "read", cause);
    }
  }

  streams(): SpooledStream[] {
    const streams: SpooledStream[] = [];
    for (const name of this.directory.list()) {
      const cpu = cpuOf(name);
      const status = cpu === undefined ? undefined : this.directory.statusOf(name);
      if (cpu === undefined || status === undefined) continue;
      this.#check(name, status);
      streams.push({ cpu, path: this.#path(name), from: 0, bytes: status.size, open: () => this.open(name) });
    }
    return streams.sort((a, b) => a.cpu - b.cpu);
  }

  /** Throws where streams are not as the recorder says: they would be passed over, and removed with the spool. */
  refuseStreams(as: "whole" | "pieces"): void {
    const found = this.directory.list().find((name) => (as === "whole" ? cpuOf(name) : pieceOf(name)) !== undefined);
    if (found === undefined) return;
    const said = as === "whole" ? "streams lie in pieces, as cpu0.0" : "streams lie whole, as cpu0";
    throw new AgentError(
      "input",
      `cannot use spool "${this.directory.path}": its recorder says that ${said}, and there is ${found}`,
      {
        remedy: `move ${found} elsewhere, or into a directory of its own: trace-agent recover makes a file of raw streams, too`,
      },
    );
  }

  /** Streams in pieces: of each CPU those that follow each other up to the last one. */
  pieces(pieceBytes: number): SpooledStream[] {
    const found = new Map<number, Map<number, number>>();
    for (const name of this.directory.list()) {
      const piece = pieceOf(name);
      const status = piece === undefined ? undefined : this.directory.statusOf(name);
      if (piece === undefined || status === undefined) continue;
      this.#check(name, status);
      const ofCpu = found.get(piece.cpu) ?? new Map<number, number>();
      found.set(piece.cpu, ofCpu.set(piece.index, status.size));
    }
    return [...found]
      .sort(([a], [b]) => a - b)
      .map(([cpu, sizes]) => {
        const last = Math.max(...sizes.keys());
        let first = last;
        while (sizes.get(first - 1) === pieceBytes) first--;
        const open = (index: number): number => this.open(pieceName(cpu, index));
        const bytes = (last - first) * pieceBytes + Math.min(sizes.get(last) ?? 0, pieceBytes);
        const path = this.#path(`cpu${cpu}.*`);
        return { cpu, path, from: first * pieceBytes, bytes, open: () => open(first), pieces: { pieceBytes, open } };
      });
  }

  /** For reading; the caller closes it. */
  open(name: string): number {
    let fd: number;
    try {
      fd = this.directory.open(name, O.RDONLY | O.NONBLOCK);
    } catch (cause) {
      throw placeError(this.#path(name), "read", cause);
    }
    try {
      this.#check(name, fstatSync(fd));
      return fd;
    } catch (error) {
      closeFd(fd);
      throw error;
    }
  }

  /** A symbolic or hard link could turn a file that its maker may not read, but we may, into a recording. */
  #check(name: string, status: Stats): void {
    const reason = status.isSymbolicLink()
      ? "is a symbolic link"
      : !status.isFile()
        ? "is not a regular file"
        : status.nlink > 1 && status.uid !== this.directory.status.uid
          ? `is a further name of a file of user ${status.uid}`
          : undefined;
    if (reason === undefined) return;
    throw new AgentError("input", `cannot use spool "${this.directory.path}": "${name}" ${reason}`, {
      remedy: "put the file itself there",
    });
  }

  #path(name: string): string {
    return `${this.directory.path}/${name}`;
  }
}
