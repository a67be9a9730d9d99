/**
 * Where an output goes. Links are resolved, and the target is checked before anything is written: a regular file of
 * ours or root's is replaced; sequential output may also go to stdout, a FIFO or /dev/null; everything else is
 * refused, above all the command's own input.
 */
import { fstatSync, readlinkSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import { closeFd, O } from "../../ffi/fd.ts";
import { type Directory, placeError } from "./directory.ts";
import { AgentError } from "./errors.ts";
import { locate } from "./locate.ts";
import { isTrusted } from "./owners.ts";
import { statusOf } from "./status-of.ts";

export type FileIdentity = { dev: number; ino: number };

export type OutputOptions = {
  /** The verb in error messages: "write", "record to". */
  action?: string;
  /** Files and directories that the output is made from. */
  inputs?: readonly FileIdentity[];
  /** It is written sequentially, so that it needs no regular file. */
  stream?: boolean;
  /** Number of the group that may read it. */
  group?: number | undefined;
  /** Its mode, if others than its owner may read it. Without it 0600, with a group 0640. */
  mode?: number;
  /** Written again and again: what a sudden end of the machine leaves of it does not matter, and no disk is waited for. */
  fleeting?: boolean;
  /** A file of the system, not of whoever runs this: it belongs to us, and another user's file there is replaced. */
  system?: boolean;
  /** Made from no inputs, and nothing of its name is expected: a look before it appears would only cost. */
  isNew?: boolean;
  /** What to do where it is a directory, which other forms of the command write into. */
  directoryRemedy?: string;
};

/** An output as requested by a user. */
export type OutputRequest = { path: string; group: number | undefined; inputs: readonly FileIdentity[] };

/** "-", and the names of descriptors, which are no files of their own. */
const descriptors = /^(?:\/dev\/(?:stdout|stderr|fd\/\d+)|\/proc\/self\/fd\/\d+)$/;
/** Devices that keep nothing: null, zero, full (Documentation/admin-guide/devices.txt, memory devices). */
const emptyDevices = new Set([0x103, 0x105, 0x107]);

/** Identifies a file or directory that an output must not replace; nothing if it does not exist. */
export function identitiesOf(...paths: (string | undefined)[]): FileIdentity[] {
  return paths.flatMap((path) => {
    const status = path === undefined ? undefined : statusOf(path);
    return status === undefined ? [] : [{ dev: status.dev, ino: status.ino }];
  });
}

function isAmong({ dev, ino }: FileIdentity, all: readonly FileIdentity[]): boolean {
  return all.some((one) => one.dev === dev && one.ino === ino);
}

/** Throws for a directory of outputs that has no name, or the name of a stream. */
export function requireDirectoryName(path: string, action: string): void {
  if (path !== "" && path !== "-") return;
  throw new AgentError("usage", `cannot ${action} "${path}": it needs a directory`, {
    remedy: path === "-" ? 'a directory of the name "-" is ./-' : "name one",
  });
}

/** Throws for one that is, or lies in, what the outputs are made from. The third: what `locate` found. */
export function requireApart(
  path: string,
  action: string,
  { directory, status }: { directory: Directory; status: FileIdentity | undefined },
  inputs: readonly FileIdentity[],
): void {
  const within = directory.lineage().some((one) => isAmong(one, inputs));
  if (!within && (status === undefined || !isAmong(status, inputs))) return;
  throw new AgentError("usage", `cannot ${action} "${path}": it is ${within ? "in " : ""}the input itself`, {
    remedy: "name another directory",
  });
}

export class OutputPlace {
  /** For messages: the resolved path. */
  readonly path: string;
  readonly options: OutputOptions;
  readonly directory: Directory | undefined;
  readonly name: string;
  /** Written in place instead of replaced. */
  readonly descriptor: number | undefined;

  private constructor(path: string, options: OutputOptions, place: { directory: Directory; name: string } | number) {
    this.path = path;
    this.options = options;
    this.directory = typeof place === "number" ? undefined : place.directory;
    this.name = typeof place === "number" ? "" : place.name;
    this.descriptor = typeof place === "number" ? place : undefined;
  }

  /** Throws an AgentError that says why nothing can be written there. */
  static find(path: string, options: OutputOptions = {}): OutputPlace {
    const action = options.action ?? "write";
    if (path === "-" || descriptors.test(path)) return noGroup(OutputPlace.#throughDescriptor(path, options));
    const { directory, name, status } = locate(path, action);
    const shown = directory.path === "." ? name : `${directory.path.replace(/\/$/, "")}/${name}`;
    const place = new OutputPlace(shown, options, { directory, name });
    try {
      const fd = place.#check(status) === "through" ? place.#openThrough() : undefined;
      if (fd === undefined) return place;
      place.close();
      return noGroup(new OutputPlace(path, options, fd));
    } catch (error) {
      place.close();
      throw error;
    }
  }

  /** A file in a known directory. The caller still owns the directory. */
  static in(directory: Directory, name: string, options: OutputOptions = {}): OutputPlace {
    return new OutputPlace(`${directory.path}/${name}`, options, { directory, name });
  }

  static #throughDescriptor(path: string, options: OutputOptions): OutputPlace {
    if (options.stream !== true) {
      throw new AgentError("usage", `cannot ${options.action ?? "write"} "${path}": it needs a file`, {
        remedy: path === "-" ? 'a file of the name "-" is ./-' : "name a file",
      });
    }
    const fd =
      path === "-" || path.endsWith("stdout") ? 1 : path.endsWith("stderr") ? 2 : Number(/\d+$/.exec(path)?.[0]);
    const place = new OutputPlace(path, options, fd);
    try {
      const status = fstatSync(fd);
      // An empty file is a new one, as with `report . >lines.txt`: nothing is read from it.
      place.#refuseInput(status, status.isFile() && status.size > 0 ? directoryOf(fd) : []);
    } catch (cause) {
      throw cause instanceof AgentError ? cause : placeError(path, options.action ?? "write", cause);
    }
    return place;
  }

  /** In messages. */
  get shown(): string {
    return this.path === "-" ? "stdout" : `"${this.path}"`;
  }

  /** Checks again, just before the target is replaced. True: nothing is there. */
  checkAgain(): boolean {
    if (this.directory === undefined) return false;
    const status = this.directory.statusOf(this.name);
    if (this.#check(status) !== "file") throw this.refusal("it is no file any more");
    return status === undefined;
  }

  close(): void {
    this.directory?.close();
  }

  #check(status: Stats | undefined): "file" | "through" {
    const { stream = false, system = false } = this.options;
    this.#refuseInput(status, this.options.inputs?.length ? this.directory?.lineage() : undefined);
    if (status === undefined) return "file";
    if (status.isDirectory()) throw this.refusal("it is a directory", "io", this.options.directoryRemedy);
    if (status.isFile()) {
      if (system || isTrusted(status.uid)) return "file";
      throw this.refusal(`it belongs to user ${status.uid}, who is neither you nor root`, "permission");
    }
    if (status.isCharacterDevice() && emptyDevices.has(status.rdev) && stream) return "through";
    if (!status.isFIFO() || !stream) throw this.refusal(`it is ${kindOf(status)}, and no regular file`);
    if (isTrusted(status.uid)) return "through";
    throw this.refusal(`it is a FIFO of user ${status.uid}, who is neither you nor root`, "permission");
  }

  /** `directories`: those that the file lies in. */
  #refuseInput(file: FileIdentity | undefined, directories: readonly FileIdentity[] = []): void {
    const inputs = this.options.inputs ?? [];
    if (file !== undefined && isAmong(file, inputs)) throw this.refusal("it is the input itself", "usage");
    if (directories.some((one) => isAmong(one, inputs))) throw this.refusal("it is in the input itself", "usage");
  }

  /** Waits for the reader of a FIFO, as the shell does. */
  #openThrough(): number {
    const action = this.options.action ?? "write";
    try {
      const fd = this.directory?.open(this.name, O.WRONLY) ?? -1;
      this.#check(fstatSync(fd));
      return fd;
    } catch (cause) {
      throw cause instanceof AgentError ? cause : placeError(this.path, action, cause);
    }
  }

  refusal(
    reason: string,
    kind: "usage" | "io" | "permission" = "io",
    remedy: string | undefined = "give another name",
  ): AgentError {
    return new AgentError(kind, `cannot ${this.options.action ?? "write"} ${this.shown}: ${reason}`, { remedy });
  }
}

/** What is written in place keeps its owner. */
function noGroup(place: OutputPlace): OutputPlace {
  if (place.options.group === undefined) return place;
  if ((place.descriptor ?? 0) > 2) closeFd(place.descriptor ?? -1);
  throw new AgentError("usage", `cannot give "${place.path}" to a group: it is not a regular file`, {
    remedy: "leave out --group, or name a file with -o",
  });
}

/** The directory of the file that a descriptor has open, as with `report FILE.spool >>FILE.spool/cpu0`. */
function directoryOf(fd: number): FileIdentity[] {
  try {
    return identitiesOf(dirname(readlinkSync(`/proc/self/fd/${fd}`)));
  } catch {
    return [];
  }
}

function kindOf(status: Stats): string {
  if (status.isFIFO()) return "a FIFO";
  if (status.isSocket()) return "a socket";
  if (status.isBlockDevice()) return "a block device";
  return status.isCharacterDevice() ? "a character device" : "something else";
}
