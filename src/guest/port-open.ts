/** Opening ports for reading and writing, and saying who is in the way when one is taken. */
import { statSync } from "node:fs";
import { E, SystemError } from "../../ffi/errno.ts";
import { O, openFd } from "../../ffi/fd.ts";
import { connectUnix } from "../../ffi/socket.ts";
import { AgentError } from "../errors.ts";
import { describeHolder, holdersOf } from "../kernel/file-holders.ts";
import { dataPortName } from "../protocol/ports.ts";
import type { Output } from "./cpu-stream.ts";
import type { PortPath, PortPlace } from "./port-place.ts";

/** Opens the data port of a CPU; undefined when the machine has none for it. */
export function openDataPort(place: PortPlace, cpu: number): Output | undefined {
  const path = place.data.get(cpu);
  if (path === undefined) return undefined;
  return { fd: openForWriting(dataPortName(cpu), path), kind: path.kind, shared: false };
}

/** Opens the writing side, non-blocking. A FIFO is opened for both ways, so that it never hangs up and keeps what is in it. */
export function openForWriting(name: string, place: PortPath): number {
  const flags = place.kind === "file" ? O.WRONLY | O.CREAT : O.RDWR;
  return openPort(name, place.kind, place.path, flags);
}

/** Opens the reading side of a control port. Where both sides are one file, its fd serves both: `writeFd` is given back. */
export function openForReading(name: string, place: PortPath, writeFd: number): number {
  if (place.readPath === place.path && place.kind !== "file") return writeFd;
  return openPort(name, place.kind, place.readPath, place.kind === "fifo" ? O.RDWR : O.RDONLY);
}

function openPort(name: string, kind: PortPath["kind"], path: string, flags: number): number {
  try {
    return kind === "socket" ? connectUnix(path) : openFd(path, flags | O.NONBLOCK, 0o600);
  } catch (cause) {
    if (!(cause instanceof SystemError)) throw cause;
    throw portError(name, path, cause);
  }
}

function portError(name: string, path: string, cause: SystemError): AgentError {
  const what = `cannot open port "${name}" (${path}): ${cause.code}`;
  switch (cause.errno) {
    case E.EBUSY: {
      const holder = holderOf(path);
      return new AgentError("unavailable", `${what}, ${holder ?? "another process"} has it`, {
        remedy: holder === undefined ? "end the program that holds it" : "end it, or leave the work to it",
        cause,
      });
    }
    case E.EACCES:
    case E.EPERM:
      return new AgentError("permission", what, { remedy: "run trace-agent as root", cause });
    default:
      return new AgentError("unavailable", what, { remedy: "see that the port is in the VM's configuration", cause });
  }
}

/** "trace-agent (pid 123)" for the process that has `path` open; undefined when none can be seen. */
export function holderOf(path: string): string | undefined {
  const [holder] = holdersOf([path]).get(path) ?? [];
  return holder === undefined ? undefined : describeHolder(holder);
}

/** The device or file behind a descriptor, to see whether a port was unplugged and plugged again under the same name. */
export function identityOf(path: string): string | undefined {
  try {
    const { dev, ino, rdev } = statSync(path);
    return `${dev}:${ino}:${rdev}`;
  } catch {
    return undefined;
  }
}
