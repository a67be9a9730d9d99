/** A Unix datagram socket to listen on, as a service manager does: neither Node nor Bun has one. */
import { dlopen, ptr } from "bun:ffi";
import { closeFd, readInto } from "../../ffi/fd.ts";

const { symbols } = dlopen("libc.so.6", {
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
});

/** AF_UNIX; SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC. */
const [family, type] = [1, 2 | 0o4000 | 0o2000000];

export class DatagramSocket {
  readonly #fd: number;
  readonly #buffer = new Uint8Array(new ArrayBuffer(4096));
  /** All that came so far, one message each. */
  readonly messages: string[] = [];

  constructor(path: string) {
    const address = Buffer.concat([Buffer.from([family, 0]), Buffer.from(`${path}\0`)]);
    this.#fd = symbols.socket(family, type, 0);
    if (this.#fd < 0 || symbols.bind(this.#fd, ptr(address), address.length) !== 0)
      throw new Error(`cannot listen on ${path}`);
  }

  /** Takes what has come in the meantime. */
  receive(): string[] {
    for (let count = readInto(this.#fd, this.#buffer); count > 0; count = readInto(this.#fd, this.#buffer)) {
      this.messages.push(Buffer.from(this.#buffer.subarray(0, count)).toString());
    }
    return this.messages;
  }

  close(): void {
    closeFd(this.#fd);
  }
}
