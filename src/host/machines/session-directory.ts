/**
 * The directory of a recording of several machines (-o DIR): new, empty, or of a session whose recorder is gone, which is
 * continued. One recorder at a time has it locked.
 *
 *     session.json       what the directory holds (trace-dat/session)
 *     MACHINE.dat        a machine's recording; MACHINE-2.dat a later one
 *     .control           the socket of the recorder that runs (host/control)
 *     MACHINE/...dat     its segments, or snapshots (host/segments)
 *     .spool/MACHINE     what is recorded now, or was when the recorder was killed; MACHINE-2 where the first is not a file yet
 */
import type { Stats } from "node:fs";
import { basename } from "node:path";
import { closeFd, O } from "../../../ffi/fd.ts";
import { tryLock } from "../../../ffi/lock.ts";
import { type Directory, placeError } from "../../base/directory.ts";
import { AgentError } from "../../base/errors.ts";
import { log } from "../../base/log.ts";
import { OutputFile } from "../../base/output-file.ts";
import { OutputPlace } from "../../base/output-place.ts";
import { isTrusted } from "../../base/owners.ts";
import { version } from "../../base/version.ts";
import { traceDatLimits } from "../../trace-dat/limits.ts";
import {
  readSessionFile,
  type SessionFile,
  type SessionMachine,
  type SessionRecording,
  sessionText,
} from "../../trace-dat/session/session-file.ts";
import { sessionControl, sessionFileName, sessionSpools } from "../../trace-dat/session/names.ts";
import { Spool } from "../../trace-dat/spool/spool.ts";
import { type ControlAnswer, ControlServer, removeDeadSocket } from "../control/control-server.ts";
import { hostLimits } from "../limits.ts";
import { MachineDirectories, owned } from "./machine-directories.ts";
import { SessionPlace } from "./session-place.ts";

const action = "record to";

export class SessionDirectory {
  readonly path: string;
  readonly file: SessionFile;
  readonly #directory: Directory;
  readonly #place: SessionPlace;
  readonly #spools: Directory;
  readonly #lockFd: number;
  readonly #wasEmpty: boolean;
  readonly #group: number | undefined;
  /** Of their segments. */
  readonly segments: MachineDirectories;
  #isOutdated = false;
  /** Of what was written last; a later one must not be replaced by an earlier. */
  #version = 0;

  private constructor(
    place: SessionPlace,
    spools: Directory,
    file: SessionFile,
    { lockFd, group, wasEmpty }: { lockFd: number; group: number | undefined; wasEmpty: boolean },
  ) {
    this.path = place.directory.path;
    this.file = file;
    this.#directory = place.directory;
    this.#place = place;
    this.#spools = spools;
    this.#lockFd = lockFd;
    this.#group = group;
    this.#wasEmpty = wasEmpty;
    this.segments = new MachineDirectories(place.directory, group);
  }

  /** `group`: that may read what is recorded. Throws an AgentError. */
  static open(given: string, group: number | undefined): SessionDirectory {
    const place = SessionPlace.open(given, group, action);
    const { directory } = place;
    const { path } = directory;
    let lockFd = -1;
    try {
      lockFd = lock(directory, path);
      removeDeadSocket(directory);
      const names = directory.list();
      const isSession = names.includes(sessionFileName);
      if (!isSession && names.some((name) => name !== sessionSpools && name !== sessionControl)) {
        throw new AgentError("usage", `cannot ${action} "${path}": it is a directory that holds something else`, {
          remedy: "name a new one, an empty one, or one of an earlier session",
        });
      }
      const file: SessionFile = isSession
        ? readSessionFile(directory.read(sessionFileName, traceDatLimits.sessionBytes), `${path}/${sessionFileName}`)
        : { started: new Date().toISOString(), machines: [], clocks: {}, offsets: {}, losses: {} };
      file.recorder = `trace-agent ${version}`;
      delete file.ended;
      return new SessionDirectory(place, makeSpools(directory, group), file, {
        lockFd,
        group,
        wasEmpty: names.length === 0,
      });
    } catch (cause) {
      place.close();
      if (lockFd >= 0) closeFd(lockFd);
      throw cause instanceof AgentError ? cause : placeError(path, action, cause);
    }
  }

  /** Throws an AgentError. */
  save(): void {
    this.#write((file) => file.finish());
  }

  #write(finish: (file: OutputFile) => void): void {
    this.#version++;
    const file = new OutputFile(OutputPlace.in(this.#directory, sessionFileName, { group: this.#group }));
    try {
      file.write(Buffer.from(sessionText(this.file)));
      finish(file);
    } finally {
      file.abandon();
    }
  }

  /** The same while other work goes on. */
  async saveLater(): Promise<void> {
    for (let version = -1; version !== this.#version;) {
      version = ++this.#version;
      const file = new OutputFile(OutputPlace.in(this.#directory, sessionFileName, { group: this.#group }));
      try {
        file.write(Buffer.from(sessionText(this.file)));
        await file.finishLater();
      } finally {
        file.abandon();
      }
    }
  }

  /**
   * The same while machines are recorded, which goes on when session.json cannot be written: the spools tell what they are. The disk is
   * not waited for: of many machines that start or stop each would have to.
   */
  note(): void {
    try {
      this.#write((file) => file.finishSoon());
      this.#isOutdated = false;
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      if (!this.#isOutdated) log.warn(`${error.text}; the recording goes on`);
      this.#isOutdated = true;
    }
  }

  /** Why a machine of this name cannot be recorded here, if so. */
  refusal(name: string, kind: SessionMachine["kind"]): string | undefined {
    const known = this.file.machines.find((one) => one.name === name);
    if (known !== undefined && known.kind !== kind) return `"${name}" is the name of a ${known.kind} in ${this.path}`;
    if (name.startsWith(".")) return "its name begins with a dot";
    const most = hostLimits.machineNameBytes;
    return Buffer.byteLength(name) > most ? `its name has more than ${most} bytes` : undefined;
  }

  /** The machine's entry, made where there is none. */
  machine(name: string, kind: SessionMachine["kind"]): SessionMachine {
    let machine = this.file.machines.find((one) => one.name === name);
    if (machine === undefined) {
      machine = { name, kind, recordings: [] };
      this.file.machines.push(machine);
    }
    return machine;
  }

  /** The entry of a new recording of the machine. `name`: of its file, if it is not the machine's. */
  newRecording(machine: SessionMachine, traceId: bigint, name?: string): SessionRecording {
    const recording: SessionRecording = {
      file: name ?? this.freeNames(machine, 1)[0] ?? "",
      state: "recording",
      traceId: `${traceId}`,
      started: new Date().toISOString(),
    };
    machine.recordings.push(recording);
    return recording;
  }

  list(): string[] {
    return this.#directory.list();
  }

  /** Of files of its recordings: MACHINE.dat, or what is the next that is not taken. */
  freeNames({ name, recordings }: SessionMachine, count: number): string[] {
    const taken = new Set([...this.#directory.list(), ...recordings.map(({ file }) => file)]);
    const free: string[] = [];
    let file = `${name}.dat`;
    for (let number = 2; free.length < count; number++) {
      if (!taken.has(file)) free.push(file);
      file = `${name}-${number}.dat`;
    }
    return free;
  }

  createSpool(machine: string): Spool {
    const taken = new Set(this.#spools.list());
    let name = machine;
    for (let number = 2; taken.has(name); number++) name = `${machine}-${number}`;
    const path = this.spoolPath(name);
    return Spool.createIn(this.#spools, name, { output: `${this.path}/${machine}.dat`, path, group: this.#group });
  }

  /** Puts a spool beside the file that was made of it, and gives its path. */
  keepSpool({ path }: Spool, { file }: SessionRecording): string {
    const taken = new Set(this.#directory.list());
    let kept = `${file}.spool`;
    for (let number = 2; taken.has(kept); number++) kept = `${file}-${number}.spool`;
    this.#spools.rename(basename(path), kept, this.#directory);
    return `${this.path}/${kept}`;
  }

  spoolPath(name: string): string {
    return `${this.path}/${sessionSpools}/${name}`;
  }

  /** Machines whose recorder was killed. */
  leftSpools(): string[] {
    return this.#spools.list().sort();
  }

  /** Of a recording's file; it is closed with the directory. */
  placeOf({ file }: SessionRecording): OutputPlace {
    return OutputPlace.in(this.#directory, file, { group: this.#group });
  }

  /** Makes the recorder of this directory answer requests; undefined where it cannot. */
  listen(answer: ControlAnswer): ControlServer | undefined {
    return ControlServer.open(this.#directory, this.#group, answer);
  }

  get status(): Stats {
    return this.#directory.status;
  }

  get fileSystem(): Directory["fileSystem"] {
    return this.#directory.fileSystem;
  }

  /** Nothing was recorded: takes away what was written, unless something was there before. */
  discard(): void {
    if (this.#wasEmpty) this.#directory.remove(sessionFileName);
  }

  close(): void {
    if (this.#spools.list().length === 0) this.#directory.removeDirectory(sessionSpools);
    this.#spools.close();
    this.segments.close();
    this.#place.close();
    closeFd(this.#lockFd);
  }
}

function makeSpools(directory: Directory, group: number | undefined): Directory {
  if (directory.statusOf(sessionSpools) === undefined) {
    directory.makeDirectory(sessionSpools, 0o700);
    const made = directory.child(sessionSpools);
    owned(made, directory.status.uid, group);
    made.close();
  }
  const spools = directory.child(sessionSpools);
  if (isTrusted(spools.status.uid)) return spools;
  spools.close();
  throw new AgentError("permission", `cannot ${action} "${directory.path}": ${sessionSpools} belongs to somebody else`);
}

/** The directory itself is locked: a lock file could be removed under somebody who waits for it. */
function lock(directory: Directory, path: string): number {
  const fd = directory.open(".", O.RDONLY | O.DIRECTORY);
  if (tryLock(fd)) return fd;
  closeFd(fd);
  throw new AgentError("unavailable", `cannot ${action} "${path}": another recorder writes it`, {
    remedy: "stop that one, or name another directory",
  });
}
