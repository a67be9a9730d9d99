/** poll(2) over a fixed set of fds, without allocation. */
import { ptr } from "bun:ffi";
import { errno, libc } from "./libc.ts";

/** include/uapi/asm-generic/poll.h. ERR, HUP and NVAL are reported whether asked for or not. */
export const POLL = { IN: 1, OUT: 4, ERR: 8, HUP: 16, NVAL: 32 } as const;

/** struct pollfd: i32 fd, i16 events, i16 revents. */
const pollFdSize = 8;

/** The poll set. An entry whose fd is -1 is passed over by the kernel. */
export class PollSet {
  readonly #fds: Int32Array;
  readonly #events: Int16Array;
  readonly #address: ReturnType<typeof ptr>;
  readonly #count: number;

  constructor(count: number) {
    // An ArrayBuffer of its own: the address of a small TypedArray goes stale when its .buffer is touched.
    const memory = new ArrayBuffer(count * pollFdSize);
    this.#fds = new Int32Array(memory);
    this.#events = new Int16Array(memory);
    this.#address = ptr(this.#fds);
    this.#count = count;
    this.#fds.fill(0);
    for (let index = 0; index < count; index++) this.set(index, -1, 0);
  }

  set(index: number, fd: number, events: number): void {
    this.#fds[index * 2] = fd;
    this.#events[index * 4 + 2] = events;
    this.#events[index * 4 + 3] = 0;
  }

  /** Waits until an fd is ready. `timeoutMs` -1 waits for ever. Ready fds (0 after the time-out), or -errno (EINTR is normal). */
  wait(timeoutMs: number): number {
    const ready = libc.poll(this.#address, this.#count, timeoutMs);
    return ready >= 0 ? ready : -errno();
  }

  revents(index: number): number {
    return this.#events[index * 4 + 3] ?? 0;
  }
}
