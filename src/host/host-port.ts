/** Opening the host's ends of a guest's ports. All of it is non-blocking. */
import { E, SystemError } from "../../ffi/errno.ts";
import { closeFd, O, openFd, writeFrom } from "../../ffi/fd.ts";
import { setPipeSize } from "../../ffi/pipe.ts";
import { connectUnix, sendMessage } from "../../ffi/socket.ts";
import { AgentError } from "../errors.ts";
import { limits } from "../limits.ts";
import type { HostPort } from "./guest-directory.ts";

/** The control port: orders go out, replies come in. */
export class ControlPort {
  readonly readFd: number;
  readonly #writeFd: number;
  readonly #socket: boolean;

  constructor(port: HostPort) {
    this.#socket = port.transport === "socket";
    try {
      // The reading end first: what the guest answers at once has a place to go.
      this.readFd = this.#socket ? connectUnix(port.path) : openFd(`${port.path}.out`, O.RDONLY | O.NONBLOCK);
    } catch (cause) {
      throw openError(port, cause);
    }
    try {
      this.#writeFd = this.#socket ? this.readFd : openFd(`${port.path}.in`, O.WRONLY | O.NONBLOCK);
    } catch (cause) {
      closeFd(this.readFd);
      throw openError(port, cause);
    }
  }

  /** Sends a whole order, or throws: an order is far smaller than what the port holds, so a full port has no reader. */
  send(order: string): void {
    const text = Buffer.from(`${order}\n`, "latin1");
    const bytes = new Uint8Array(new ArrayBuffer(text.length));
    bytes.set(text);
    const sent = this.#socket ? sendMessage(this.#writeFd, bytes) : writeFrom(this.#writeFd, bytes);
    if (sent === bytes.length) return;
    throw new AgentError("unavailable", `cannot send order "${order.slice(0, 40)}": the control port takes nothing`, {
      remedy: "nothing reads it in the guest: start trace-agent there",
    });
  }

  close(): void {
    closeFd(this.readFd);
    if (!this.#socket) closeFd(this.#writeFd);
  }
}

/** Opens a data port to read from. A FIFO is made larger where that is allowed, so that the guest waits less. */
export function openDataPort(port: HostPort): number {
  try {
    if (port.transport === "socket") return connectUnix(port.path);
    const fd = openFd(`${port.path}.out`, O.RDONLY | O.NONBLOCK);
    setPipeSize(fd, limits.pipeMaxBytes);
    return fd;
  } catch (cause) {
    throw openError(port, cause);
  }
}

function openError(port: HostPort, cause: unknown): unknown {
  if (!(cause instanceof SystemError)) return cause;
  const what = `cannot open port "${port.name}" (${port.path}): ${cause.code}`;
  switch (cause.errno) {
    case E.ENXIO:
    case E.ECONNREFUSED:
      return new AgentError("unavailable", `${what}, no VM holds it`, {
        remedy: "start the VM with the devices that trace-agent setup prints",
        cause,
      });
    case E.EACCES:
    case E.EPERM:
      return new AgentError("permission", what, { remedy: "run it as root, or as a member of the directory's group", cause });
    case E.EAGAIN:
      return new AgentError("unavailable", `${what}, another program is connected to it`, { remedy: "end that program", cause });
    default:
      return new AgentError("io", what, { cause });
  }
}
