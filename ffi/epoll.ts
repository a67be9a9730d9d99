/**
 * epoll(7): edge-triggered waiting on one fd, and level-triggered waiting on many.
 *
 * poll() reports POLLHUP of a virtio port without a host at once and again: a loop would spin. Edge-triggered epoll reports
 * only when the driver wakes the port's wait queue (host connected, data, unplugged). The epoll fd itself can stand in a
 * PollSet with POLL.IN.
 */
import { architecture } from "./architecture.ts";
import { ptr } from "bun:ffi";
import { closeFd, O } from "./fd.ts";
import { errno, libc } from "./libc.ts";
import { SystemError } from "./errno.ts";

/** include/uapi/linux/eventpoll.h. */
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 0x1;
const EPOLLIN_OUT_ET = 0x1 | 0x4 | 0x80000000;
/** struct epoll_event is packed to 12 bytes on x86-64 and 16 elsewhere; one event of either fits, events first. */
const eventBytes = 16;

export class EdgeWatch {
  readonly fd: number;
  readonly #event = new Uint32Array(new ArrayBuffer(eventBytes));

  constructor(watched: number) {
    this.fd = libc.epoll_create1(O.CLOEXEC);
    if (this.fd < 0) throw new SystemError("epoll_create1", "", errno());
    this.#event[0] = EPOLLIN_OUT_ET;
    if (libc.epoll_ctl(this.fd, EPOLL_CTL_ADD, watched, ptr(this.#event)) < 0) {
      const number = errno();
      closeFd(this.fd);
      throw new SystemError("epoll_ctl", `${watched}, EPOLL_CTL_ADD`, number);
    }
  }

  /** Consumes the event, so that the epoll fd is readable again only after a new one. */
  consume(): void {
    libc.epoll_wait(this.fd, ptr(this.#event), 1, 0);
  }

  close(): void {
    closeFd(this.fd);
  }
}

/** Where data (u64, of which we use the low half) stands in struct epoll_event, and its size, in u32. */
const [dataWord, eventWords] = architecture === "x64" ? [1, 3] : [2, 4];

/** Waits for input on any number of fds. Ready ones are reported in rotation, so that none is starved. */
export class ReadySet {
  readonly #fd: number;
  readonly #events: Uint32Array;
  readonly #address: ReturnType<typeof ptr>;
  readonly #eventsMax: number;
  readonly #change = new Uint32Array(new ArrayBuffer(eventBytes));
  readonly #changeAddress = ptr(this.#change);

  /** `eventsMax`: ready fds that one wait reports at most. */
  constructor(eventsMax: number) {
    this.#fd = libc.epoll_create1(O.CLOEXEC);
    if (this.#fd < 0) throw new SystemError("epoll_create1", "", errno());
    this.#eventsMax = eventsMax;
    this.#events = new Uint32Array(new ArrayBuffer(eventsMax * eventBytes));
    this.#address = ptr(this.#events);
  }

  add(fd: number): void {
    this.#change[0] = EPOLLIN;
    this.#change[dataWord] = fd;
    if (libc.epoll_ctl(this.#fd, EPOLL_CTL_ADD, fd, this.#changeAddress) < 0)
      throw new SystemError("epoll_ctl", `${fd}, EPOLL_CTL_ADD`, errno());
  }

  remove(fd: number): void {
    if (libc.epoll_ctl(this.#fd, EPOLL_CTL_DEL, fd, this.#changeAddress) < 0)
      throw new SystemError("epoll_ctl", `${fd}, EPOLL_CTL_DEL`, errno());
  }

  /** Waits until an fd is ready or hung up. The number of them (0 after the time-out), or -errno (EINTR is normal). */
  wait(timeoutMs: number): number {
    const ready = libc.epoll_wait(this.#fd, this.#address, this.#eventsMax, timeoutMs);
    return ready >= 0 ? ready : -errno();
  }

  /** The fd of the ready entry `index` of the last wait. */
  readyFd(index: number): number {
    return this.#events[index * eventWords + dataWord] ?? -1;
  }

  close(): void {
    closeFd(this.#fd);
  }
}
