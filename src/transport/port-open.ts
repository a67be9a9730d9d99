/** Opens ports for reading and writing, and names the process that holds one. */
import { E, SystemError } from "../../ffi/errno.ts";
import { AgentError } from "../base/errors.ts";
import { describeHolder, holdersOf } from "../tracefs/file-holders.ts";
import { dataPortName } from "../protocol/ports.ts";
import type { PortPath, PortPlace } from "./port-place.ts";
import type { Output } from "./transport.ts";

/** Opens the data port of a CPU; undefined if the machine has none for it. */
export function openDataPort(place: PortPlace, cpu: number): Output | undefined {
  const path = place.data.get(cpu);
  if (path === undefined) return undefined;
  const fd = openForWriting(dataPortName(cpu), path);
  return { fd, traits: { ...path.end.traits, ...path.end.traitsOf?.(path.path) }, shared: false };
}

/** Opens the writing side, non-blocking. */
export function openForWriting(name: string, place: PortPath): number {
  return openPort(name, place, "write");
}

/**
 * Opens the reading side of a control port. Where both sides are one file, its fd serves both: `writeFd` is
 * returned.
 */
export function openForReading(name: string, place: PortPath, writeFd: number): number {
  if (place.readPath === place.path && place.end.traits.oneFd) return writeFd;
  return openPort(name, place, "read");
}

function openPort(name: string, place: PortPath, side: "write" | "read"): number {
  const path = side === "write" ? place.path : place.readPath;
  try {
    return place.end.open(path, side);
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
      return new AgentError("unavailable", what, { remedy: "check that the port is in the VM's configuration", cause });
  }
}

/** "trace-agent (pid 123)" for the process that has `path` open; undefined when none can be seen. */
function holderOf(path: string): string | undefined {
  const [holder] = holdersOf([path]).get(path) ?? [];
  return holder === undefined ? undefined : describeHolder(holder);
}
