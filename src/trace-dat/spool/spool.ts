/**
 * The spool: a directory FILE.spool beside the future recording, which holds everything until it is finished.
 *
 *     spool.json       what was agreed at the start: hello and start replies, when, whose (session.json, in older ones)
 *     metadata         the body of the metadata reply before the start (gzip of JSON); metadata-end: after the stop
 *     clocks           what round trips told of the guest's clock, a line each (clock-bursts.ts); where machines are recorded together
 *     cpuN             the stream of CPU N as it came; cpuN.I its piece I, where the recording is cut while it goes on
 *     cuts             where it was cut, and which of the segments are files (spool-cuts.ts)
 *     end.json         the stop reply, or why there is none; only written by a recorder that came to an end
 *
 * A recorder that was killed leaves it behind, and `trace-agent recover` makes the trace.dat from it. A spool may
 * also be made by hand, of streams that were read from the ports by other means: then it holds only files cpuN.
 *
 * Reading it creates nothing in it.
 */
import { basename } from "node:path";
import { E, SystemError } from "../../../ffi/errno.ts";
import { closeFd } from "../../../ffi/fd.ts";
import { tryLock } from "../../../ffi/lock.ts";
import { Directory, placeError } from "../../base/directory.ts";
import { AgentError, messageOf } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import type { OutputFile } from "../../base/output-file.ts";
import { type FileIdentity, OutputPlace } from "../../base/output-place.ts";
import { give } from "../../base/give.ts";
import { protocolLimits } from "../../protocol/limits.ts";
import type { Metadata } from "../../events/trace-metadata.ts";
import { traceDatLimits } from "../limits.ts";
import { burstLine, type ClockBurst, readBurstLines } from "./clock-bursts.ts";
import { readMetadata } from "./metadata-read.ts";
import { endIn, fieldsIn, sessionIn, type SpoolEnd, type SpoolSession } from "./spool-fields.ts";
import { GrowingFile } from "./growing-file.ts";
import {
  cutLine,
  readCutLines,
  shortCutLines,
  type SpoolCuts,
  type SpoolCut,
  type SpoolCutDone,
} from "./spool-cuts.ts";
import { lockName, lockToRead, stillWritten } from "./spool-lock.ts";
import { isStream, pieceName, SpoolFiles, type SpooledStream } from "./spool-files.ts";

const sessionName = "spool.json";
/** As recorders before 0.2 called it. */
const oldSessionName = "session.json";
const endName = "end.json";
const clocksName = "clocks";
const cutsName = "cuts";
const fileNames = new Set([
  lockName,
  sessionName,
  oldSessionName,
  clocksName,
  cutsName,
  "metadata",
  "metadata-end",
  endName,
]);

export class Spool {
  readonly path: string;
  readonly #files: SpoolFiles;
  readonly #lockFd: number | undefined;
  readonly #clocks: GrowingFile;
  readonly #cuts: GrowingFile;
  /** Of all but the streams, as of when so many of them had been written, and notes were so long. */
  #others = { bytes: 0, made: -1, grown: 0 };

  private constructor(files: SpoolFiles, lockFd: number | undefined) {
    this.path = files.directory.path;
    this.#files = files;
    this.#lockFd = lockFd;
    this.#clocks = new GrowingFile(files, clocksName);
    this.#cuts = new GrowingFile(files, cutsName);
  }

  /** Makes the spool of a future recording at `output`. */
  static create(output: string | OutputPlace): Spool {
    const place = typeof output === "string" ? OutputPlace.find(output, { action: "record to" }) : output;
    try {
      return Spool.#create(place);
    } finally {
      if (typeof output === "string") place.close();
    }
  }

  static #create({ directory: parent, name, path: output, options }: OutputPlace): Spool {
    if (parent === undefined) throw new AgentError("usage", `cannot record to "${output}": it is no file`);
    return Spool.createIn(parent, `${name}.spool`, { output, path: `${output}.spool`, group: options.group });
  }

  /** `output`: what is recorded, for messages; `path`: the spool's own. The caller still owns `parent`. */
  static createIn(
    parent: Directory,
    name: string,
    { output, path, group }: { output: string; path: string; group: number | undefined },
  ): Spool {
    try {
      parent.makeDirectory(name, 0o700);
    } catch (cause) {
      if (!(cause instanceof SystemError) || cause.errno !== E.EEXIST) throw placeError(output, "record to", cause);
      throw new AgentError(
        "io",
        `cannot record to "${output}": ${path} is there, of a recorder that runs or was killed`,
        {
          remedy: `trace-agent recover ${path} -o FILE, or remove it`,
        },
      );
    }
    const files = new SpoolFiles(new Directory(parent.child(name).fd, path), group);
    try {
      const { directory } = files;
      // The owner of the parent directory may have replaced it.
      if (directory.status.uid !== process.geteuid?.()) throw new Error("its spool belongs to somebody else");
      directory.use((fd) => give(fd, parent.status.uid, group, group === undefined ? 0o700 : 0o750));
      const lockFd = files.create(lockName);
      if (!tryLock(lockFd)) throw stillWritten(path);
      return new Spool(files, lockFd);
    } catch (cause) {
      files.directory.remove(lockName);
      files.directory.close();
      parent.removeDirectory(name);
      throw cause instanceof AgentError ? cause : placeError(output, "record to", cause);
    }
  }

  /** Opens what a killed recorder left. */
  static open(path: string): Spool {
    let directory: Directory;
    try {
      directory = Directory.openToRead(path);
    } catch (cause) {
      throw openError(path, cause);
    }
    try {
      directory.list();
      return new Spool(new SpoolFiles(directory, undefined), lockToRead(directory));
    } catch (cause) {
      directory.close();
      throw openError(path, cause);
    }
  }

  /** Whether it contains anything that a recorder makes. */
  get isOne(): boolean {
    return this.#files.directory
      .list()
      .some((name) => name === sessionName || name === oldSessionName || name === "metadata" || isStream(name));
  }

  /** Of all but the streams: what the machine told of itself, and notes. */
  get otherBytes(): number {
    const { directory, made } = this.#files;
    const grown = this.#clocks.grownBytes + this.#cuts.grownBytes;
    // Asked at each cut: to look takes two dozen system calls.
    if (this.#others.made !== made) {
      const bytes = [...fileNames].reduce((sum, name) => sum + (directory.statusOf(name)?.size ?? 0), 0);
      this.#others = { bytes, made, grown };
    }
    return this.#others.bytes + grown - this.#others.grown;
  }

  /** So that no output overwrites it, or is written into it. */
  get identity(): FileIdentity {
    const { dev, ino } = this.#files.directory.status;
    return { dev, ino };
  }

  /** A new file for the stream of a CPU; the caller closes it. */
  createStream(cpu: number): number {
    return this.#files.create(`cpu${cpu}`);
  }

  /** The same for a piece of it. */
  createPiece(cpu: number, index: number): number {
    return this.#files.create(pieceName(cpu, index));
  }

  /** For reading; the caller closes it. */
  openPiece(cpu: number, index: number): number {
    return this.#files.open(pieceName(cpu, index));
  }

  removePiece(cpu: number, index: number): void {
    this.#files.directory.remove(pieceName(cpu, index));
  }

  writeSession(session: SpoolSession): void {
    this.#files.write(sessionName, JSON.stringify({ ...session, version: 1, traceId: `${session.traceId}` }));
  }

  writeMetadata(when: "start" | "end", body: Uint8Array): void {
    this.#files.write(when === "start" ? "metadata" : "metadata-end", body);
  }

  /** The file of what is told before the start, for who writes it in pieces. */
  newMetadata(): OutputFile {
    return this.#files.newFile("metadata");
  }

  /** The first bytes of that file. */
  readMetadataStart(bytes: number): Uint8Array {
    return this.#files.read("metadata", protocolLimits.metadataBytes)?.subarray(0, bytes) ?? new Uint8Array(0);
  }

  writeEnd(end: SpoolEnd): void {
    this.#files.write(endName, JSON.stringify(end));
  }

  /** At once on disk: a recorder may be killed. Throws a SystemError. */
  addBurst(burst: ClockBurst): void {
    this.#clocks.append(burstLine(burst));
  }

  /** The same for a cut, before its segment is written, and when it is. */
  addCut(cut: SpoolCut | SpoolCutDone): void {
    this.#cuts.append(cutLine(cut));
    if ("done" in cut && this.#cuts.bytes > traceDatLimits.cutsGrownBytes)
      this.#cuts.replace(shortCutLines(this.readCuts(), cut));
  }

  readCuts(): SpoolCuts {
    const bytes = this.#files.read(cutsName, traceDatLimits.cutsBytes);
    return readCutLines(bytes?.toString("latin1") ?? "");
  }

  /** In order of time. */
  readBursts(): ClockBurst[] {
    const bytes = this.#files.read(clocksName, traceDatLimits.clockBurstsBytes);
    return bytes === undefined ? [] : readBurstLines(bytes.toString("latin1"));
  }

  readSession(): SpoolSession {
    return sessionIn(this.#readFields(sessionName).fields ?? this.#readFields(oldSessionName).fields);
  }

  readEnd(): SpoolEnd | undefined {
    const { fields } = this.#readFields(endName);
    return fields === undefined ? undefined : endIn(fields);
  }

  /** What is wrong with these two, by sentences. */
  readDamage(): string[] {
    return [sessionName, oldSessionName, endName].flatMap((name) => this.#readFields(name).damage);
  }

  /** `isWanted`: of its files; all, where nothing is said. */
  readMetadata(when: "start" | "end", isWanted?: (file: string) => boolean): Metadata | undefined {
    const body = this.#files.read(when === "start" ? "metadata" : "metadata-end", protocolLimits.metadataBytes);
    return body === undefined ? undefined : readMetadata(body, "the guest", "input", isWanted, true);
  }

  /** What is not in a segment yet, where the recording was cut. */
  streams(): SpooledStream[] {
    const { pieceBytes } = this.readSession();
    this.#files.refuseStreams(pieceBytes === undefined ? "pieces" : "whole");
    if (pieceBytes === undefined) return this.#files.streams();
    const { written } = this.readCuts();
    return this.#files.pieces(pieceBytes).map((stream) => {
      const end = stream.from + stream.bytes;
      const from = Math.min(Math.max(stream.from, written.get(stream.cpu) ?? 0), end);
      return Object.assign(stream, { from, bytes: end - from });
    });
  }

  /** Removes what a recorder makes; other files stay. */
  remove(): void {
    const others: string[] = [];
    for (const name of this.#files.directory.list()) {
      if (fileNames.has(name) || isStream(name)) this.#files.directory.remove(name);
      else others.push(name);
    }
    try {
      if (others.length > 0) log.warn(`${this.path} stays: it also holds ${others.slice(0, 5).join(", ")}`);
      else this.#files.directory.removeItself(basename(this.path));
    } catch (error) {
      log.warn(`cannot remove "${this.path}": ${messageOf(error)}`);
    }
    this.close();
  }

  close(): void {
    this.#clocks.close();
    this.#cuts.close();
    if (this.#lockFd !== undefined) closeFd(this.#lockFd);
    this.#files.directory.close();
  }

  #readFields(name: string): ReturnType<typeof fieldsIn> {
    return fieldsIn(name, this.#files.read(name, traceDatLimits.spoolSessionBytes));
  }
}

function openError(path: string, cause: unknown): AgentError {
  if (cause instanceof AgentError) return cause;
  const { kind, message } = placeError(path, "open spool", cause);
  // A link in it is none of ours.
  return new AgentError(cause instanceof SystemError && cause.errno === E.ELOOP ? "input" : kind, message, { cause });
}
