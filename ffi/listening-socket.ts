/** A Unix socket that listens, in an open directory: for the recorder. */
import { ptr } from "bun:ffi";
import { fchmodSync } from "node:fs";
import { SystemError } from "./errno.ts";
import { closeFd, O } from "./fd.ts";
import { errno, NULL } from "./libc.ts";
import { libcHost } from "./libc-host.ts";
import { addressOf, makeSocket, pathIn, SOCK_STREAM } from "./socket.ts";

/**
 * A non-blocking socket of the name in an open directory. Its file has mode 0600 from the beginning: Linux makes it with the mode of the
 * socket itself (net/unix/af_unix.c, unix_bind_bsd). Nobody can connect before `listenOn`.
 */
export function bindIn(directory: number, name: string): number {
  const address = addressOf(pathIn(directory, name), "bind");
  const fd = makeSocket(SOCK_STREAM);
  fchmodSync(fd, 0o600);
  if (libcHost().bind(fd, ptr(address), address.byteLength) === 0) return fd;
  const number = errno();
  closeFd(fd);
  throw new SystemError("bind", JSON.stringify(name), number);
}

/** `backlog`: connections that wait to be accepted. */
export function listenOn(fd: number, backlog: number): void {
  if (libcHost().listen(fd, backlog) < 0) throw new SystemError("listen", `${fd}`, errno());
}

/** A non-blocking connection that waits, or -errno: EAGAIN where there is none. */
export function acceptFrom(fd: number): number {
  const connection = libcHost().accept4(fd, NULL, NULL, O.CLOEXEC | O.NONBLOCK);
  return connection >= 0 ? connection : -errno();
}
