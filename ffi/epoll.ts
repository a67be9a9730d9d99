/**
 * Edge-triggered waiting on one fd, through epoll(7).
 *
 * poll() reports POLLHUP of a virtio port without a host at once and again: a loop would spin. Edge-triggered epoll speaks
 * only when the driver wakes the port's wait queue (host connected, data, unplugged). The epoll fd itself can stand in a
 * PollSet with POLL.IN.
 */
import { ptr } from "bun:ffi";
import { closeFd, O } from "./fd.ts";
import { errno, libc } from "./libc.ts";
import { SystemError } from "./errno.ts";

/** include/uapi/linux/eventpoll.h. */
const EPOLL_CTL_ADD = 1;
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

  /** Takes what was reported, so that the epoll fd is readable again only after a new event. */
  consume(): void {
    libc.epoll_wait(this.fd, ptr(this.#event), 1, 0);
  }

  close(): void {
    closeFd(this.fd);
  }
}
