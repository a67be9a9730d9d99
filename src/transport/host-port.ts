/** Opens the host's ends of a guest's ports, all non-blocking. */
import { E, SystemError } from "../../ffi/errno.ts";
import { closeFd } from "../../ffi/fd.ts";
import { AgentError } from "../base/errors.ts";
import type { HostEnd } from "./transport.ts";

/** One port of a guest on the host. `path`: what its transport calls it (HostEnd.find). */
export type HostPort = { name: string; end: HostEnd; path: string };
export type HostPorts = { control: HostPort; data: (HostPort & { cpu: number })[] };

/** The control port: orders are written, replies are read. */
export class ControlPort {
  readonly readFd: number;
  readonly #writeFd: number;
  readonly #end: HostEnd;
  /** What is left of orders of which the port took a part: nothing else may come before it. */
  #rest: Uint8Array<ArrayBuffer> | undefined;

  constructor(port: HostPort) {
    this.#end = port.end;
    try {
      const { read, write } = port.end.openControl(port.path);
      this.readFd = read;
      this.#writeFd = write;
    } catch (cause) {
      throw openError(port, cause);
    }
  }

  /** Sends a whole order, or throws. An order is far smaller than the port's buffer, so a full port has no reader. */
  send(order: string): void {
    const bytes = bytesOf(order);
    if (this.#sendRest() && this.#end.send(this.#writeFd, bytes) === bytes.length) return;
    throw new AgentError("unavailable", `cannot send order "${order.slice(0, 40)}": the control port is full`, {
      remedy: "nothing reads it in the guest: start trace-agent there",
    });
  }

  /** Sends orders if the port takes them now. False: nothing of them was sent. */
  offer(orders: string): boolean {
    if (!this.#sendRest()) return false;
    const bytes = bytesOf(orders);
    const sent = this.#end.send(this.#writeFd, bytes);
    if (sent <= 0) return false;
    if (sent < bytes.length) this.#rest = bytes.slice(sent);
    return true;
  }

  /** Orders lie in the port that nobody has read. */
  get hasUnread(): boolean {
    return this.#rest !== undefined || this.#end.unread(this.#writeFd) > 0;
  }

  #sendRest(): boolean {
    if (this.#rest === undefined) return true;
    const sent = this.#end.send(this.#writeFd, this.#rest);
    if (sent === this.#rest.length) this.#rest = undefined;
    else if (sent > 0) this.#rest = this.#rest.slice(sent);
    return this.#rest === undefined;
  }

  close(): void {
    closeFd(this.readFd);
    if (this.#writeFd !== this.readFd) closeFd(this.#writeFd);
  }
}

function bytesOf(orders: string): Uint8Array<ArrayBuffer> {
  const text = Buffer.from(`${orders}\n`, "latin1");
  const bytes = new Uint8Array(new ArrayBuffer(text.length));
  bytes.set(text);
  return bytes;
}

/** Opens a data port to read from. */
export function openDataPort(port: HostPort): number {
  try {
    return port.end.openData(port.path);
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
      return new AgentError("permission", what, {
        remedy: "run it as root, or as a member of the directory's group",
        cause,
      });
    case E.EAGAIN:
      return new AgentError("unavailable", `${what}, another program is connected to it`, {
        remedy: "end that program",
        cause,
      });
    default:
      return new AgentError("io", what, { cause });
  }
}
