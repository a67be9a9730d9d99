/**
 * Waits in the control worker, and takes acknowledgements meanwhile.
 *
 * While much is recorded they come many times a second, alone in a read. So they have a loop of their own: it does nothing else, and is
 * warmed up (check-warm-up.ts). All other orders end the wait.
 */
import { readInto } from "../../../ffi/fd.ts";
import { POLL, type PollSet } from "../../../ffi/poll.ts";
import type { OrderIntake } from "./order-intake.ts";

export type AckWaitParts = {
  poll: PollSet;
  /** The control port and its place in the poll set. */
  fd: number;
  slot: number;
  bytes: Uint8Array<ArrayBuffer>;
  intake: Pick<OrderIntake, "takeAcks">;
  acknowledge: (cpu: number, position: number) => void;
};

export class AckWait {
  readonly #parts: AckWaitParts;
  /** Whether the last wait has read from the port; what the read gave, and where the acknowledgements at its front end. */
  hasRead = false;
  count = 0;
  behindAcks = 0;
  /** Whether the last wait has taken acknowledgements. */
  tookAcks = false;

  constructor(parts: AckWaitParts) {
    this.#parts = parts;
  }

  /** As PollSet.wait(). `reads`: the port is in the poll set. -1: no end. */
  wait(timeoutMs: number, reads: boolean): number {
    const { poll, fd, slot, bytes, intake, acknowledge } = this.#parts;
    this.hasRead = this.tookAcks = false;
    const begunMs = timeoutMs < 0 ? 0 : performance.now();
    for (let waitMs = timeoutMs; ;) {
      const ready = poll.wait(waitMs);
      if (!reads || ready !== 1 || poll.revents(slot) !== POLL.IN) return ready;
      const count = readInto(fd, bytes);
      const behindAcks = count > 0 ? intake.takeAcks(bytes, count, acknowledge) : 0;
      if (count <= 0 || behindAcks < count) {
        this.hasRead = true;
        this.count = count;
        this.behindAcks = behindAcks;
        return ready;
      }
      this.tookAcks = true;
      if (timeoutMs < 0) continue;
      waitMs = Math.ceil(begunMs + timeoutMs - performance.now()) | 0;
      if (waitMs <= 0) return 0;
    }
  }
}
