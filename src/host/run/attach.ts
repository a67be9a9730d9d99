/** Opens a guest's ports, locked against other programs of the host, and closes them whatever happens. */
import { counted } from "../../base/plural.ts";
import { E, SystemError } from "../../../ffi/errno.ts";
import { closeFd } from "../../../ffi/fd.ts";
import { descriptorsHard, descriptorsLeft } from "../../base/descriptors.ts";
import { AgentError } from "../../base/errors.ts";
import { ControlPort, type HostPort, openDataPort } from "../../transport/host-port.ts";
import { type GuestDirectory, guestTitle, requireDataPorts } from "../guest-directory.ts";
import { hostLimits } from "../limits.ts";
import type { DataPortReader } from "./data-port-reader.ts";
import { lockGuest } from "./guest-lock.ts";
import { PortLoop } from "./port-loop.ts";
import { Session } from "./session.ts";

export type Attached<S extends DataPortReader> = { session: Session; readers: readonly S[] };

export type AttachOptions<S extends DataPortReader> = {
  /** The verb in error messages; also shown to others who want to use the guest. */
  action: "record" | "follow";
  command: string;
  /** That other guests of this program are served in, too; the caller closes it. Without one, the guest has its own. */
  loop?: PortLoop | undefined;
  /** Receives an open fd and closes it with the reader; `onClose` closes everything else. */
  makeReader: (port: HostPort & { cpu: number }, fd: number, onClose: (step: () => void) => void) => S;
};

/** Runs `use` with the guest's ports open. */
export async function withGuest<S extends DataPortReader, R>(
  guest: GuestDirectory,
  { action, command, loop, makeReader }: AttachOptions<S>,
  use: (attached: Attached<S>) => Promise<R>,
): Promise<R> {
  const ports = requireDataPorts(guest, action);
  requireDescriptors(guestTitle(guest), action, [ports.data.length]);
  const steps: (() => void)[] = [];
  try {
    steps.push(lockGuest(guest, command));
    const readers = ports.data.map((port) => {
      const fd = openDataPort(port);
      try {
        const reader = makeReader(port, fd, (step) => steps.push(step));
        steps.push(() => reader.close());
        return reader;
      } catch (error) {
        closeFd(fd);
        throw error;
      }
    });
    const session = openSession(guest, ports.control, readers, (step) => steps.push(step), loop);
    return await use({ session, readers });
  } catch (error) {
    throw error instanceof SystemError ? systemFailure(guest, action, error) : error;
  } finally {
    for (const step of steps.toReversed()) step();
  }
}

/** Runs `use` with the guest's control port alone. The caller holds the guest's lock, and closes a loop that it gives. */
export async function withControlPort<R>(
  guest: GuestDirectory,
  control: HostPort,
  use: (session: Session) => Promise<R>,
  loop?: PortLoop,
): Promise<R> {
  const steps: (() => void)[] = [];
  try {
    return await use(openSession(guest, control, [], (step) => steps.push(step), loop));
  } finally {
    for (const step of steps.toReversed()) step();
  }
}

function openSession(
  guest: GuestDirectory,
  port: HostPort,
  readers: readonly DataPortReader[],
  onClose: (step: () => void) => void,
  shared?: PortLoop,
): Session {
  const control = new ControlPort(port);
  onClose(() => control.close());
  const loop = shared ?? new PortLoop();
  if (shared === undefined) onClose(() => loop.close());
  const session = new Session(loop, guest, control, readers);
  onClose(() => session.close());
  if (shared !== undefined) onClose(() => session.pump.leave());
  return session;
}

/**
 * The runtime dies silently when descriptors run out, so they are counted first. It has raised the soft limit to the hard one when
 * it began. `ports`: data ports of each guest.
 */
export function requireDescriptors(what: string, action: string, ports: readonly number[]): void {
  const inAll = ports.reduce((sum, count) => sum + count, 0);
  const needed = ports.length * hostLimits.descriptorsBase + inAll * hostLimits.descriptorsPerPort;
  const left = descriptorsLeft();
  if (left === undefined || left.free >= needed) return;
  const limit = left.limit - left.free + needed;
  throw new AgentError(
    "unavailable",
    `cannot ${action} ${what} with ${left.limit} file descriptors: ${counted(inAll, "data port")} need ${limit}`,
    // Below what it may have: by its own option.
    {
      remedy:
        left.limit < (descriptorsHard() ?? 0) ? `--max-descriptors ${limit}` : `raise the limit (ulimit -n ${limit})`,
    },
  );
}

function systemFailure(guest: GuestDirectory, action: string, cause: SystemError): AgentError {
  const message = `cannot ${action} ${guestTitle(guest)}: ${cause.message}`;
  if (cause.errno === E.EMFILE)
    return new AgentError("unavailable", message, { remedy: "raise the limit of open files (ulimit -n)", cause });
  if (cause.errno === E.ENFILE)
    return new AgentError("unavailable", message, { remedy: "raise the system's limit (sysctl fs.file-max)", cause });
  return new AgentError("io", message, { cause });
}
