/** Unix sockets: a stream to QEMU's chardev, a datagram to the service manager. One that listens: listening-socket.ts. */
import { ptr } from "bun:ffi";
import { cString } from "./c-string.ts";
import { closeFd, O } from "./fd.ts";
import { errno, libc } from "./libc.ts";
import { E, SystemError } from "./errno.ts";

const AF_UNIX = 1;
export const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const MSG_NOSIGNAL = 0x4000;
/** sun_path of struct sockaddr_un (unix(7)). */
const maxPathBytes = 108;

/** struct sockaddr_un. */
export function addressOf(path: string, call: string): Uint8Array<ArrayBuffer> {
  const abstract = path.startsWith("@");
  const name = abstract ? cString(`x${path.slice(1)}`) : cString(path);
  const nameLength = name.length - (abstract ? 1 : 0);
  if (nameLength > maxPathBytes) throw new SystemError(call, JSON.stringify(path), E.EINVAL);
  const address = new Uint8Array(new ArrayBuffer(2 + nameLength));
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(name.subarray(0, nameLength), 2);
  if (abstract) address[2] = 0;
  return address;
}

export function makeSocket(type: number): number {
  const fd = libc.socket(AF_UNIX, type | O.CLOEXEC | O.NONBLOCK, 0);
  if (fd < 0) throw new SystemError("socket", "AF_UNIX", errno());
  return fd;
}

function connectTo(path: string, type: number): number {
  const address = addressOf(path, "connect");
  const fd = makeSocket(type);
  if (libc.connect(fd, ptr(address), address.byteLength) === 0) return fd;
  const number = errno();
  closeFd(fd);
  throw new SystemError("connect", JSON.stringify(path), number);
}

/** A non-blocking stream connected to the socket at `path`. */
export function connectUnix(path: string): number {
  return connectTo(path, SOCK_STREAM);
}

/** A non-blocking datagram socket connected to `path` ("@name" is an abstract one), as sd_notify(3) asks for. */
export function connectDatagram(path: string): number {
  return connectTo(path, SOCK_DGRAM);
}

/** Sends bytes in one message. Bytes sent, or -errno; never raises SIGPIPE. */
export function sendMessage(fd: number, bytes: Uint8Array<ArrayBuffer>): number {
  const sent = libc.send(fd, ptr(bytes), bytes.byteLength, MSG_NOSIGNAL);
  return sent >= 0 ? sent : -errno();
}

/** However long the path of an open directory is: an address has only room for 108 bytes. */
export function pathIn(directory: number, name: string): string {
  if (!(directory >= 0)) throw new RangeError(`not a directory: fd ${directory}`);
  return `/proc/self/fd/${directory}/${name}`;
}

/** The same as connectUnix, of a socket in an open directory. */
export function connectIn(directory: number, name: string): number {
  return connectTo(pathIn(directory, name), SOCK_STREAM);
}
