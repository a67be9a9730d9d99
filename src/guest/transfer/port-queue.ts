/**
 * How large the next piece for a port with a queue may be, so that the queue never holds more than `heldMaxBytes` of the guest's
 * memory, whatever its host does.
 *
 * A piece is what one splice hands over: one entry of the queue, whose pages the guest gets back when the host has taken all of
 * them. The guest cannot see that. What it knows: an entry is taken before the one `entries` pieces later is accepted, and a host
 * that acknowledges tells how far it has taken the stream. So the pieces between that and the last one, at most `entries`, may
 * be held. A new one may be as large as leaves room for a least piece in each entry that is still free. It follows:
 *
 *     with acknowledgements      large pieces, as long as what is not acknowledged leaves room: the window
 *     when they stop             least pieces beside a full window, until the entries are used up
 *     after `entries` pieces     those before must have been taken: small pieces, as without acknowledgements
 *
 * A client of the host's that leaves (a recorder that is killed, on a socket) may cost an entry: QEMU gives back what lies in the queue,
 * but for a piece that it had begun to write, which stays lost until the device is reset. Of the pieces that were not
 * acknowledged by then the largest counts as lost for good. Small ones change nothing for a host that does not acknowledge: a queue
 * full of them is within the bound.
 *
 * The state lies in shared memory, since a worker that is started again finds the queue as the one before has left it. At first
 * it stands for what an earlier process may have left there: a full window.
 */
import { assert } from "../../base/errors.ts";
import { transportLimits } from "../../transport/limits.ts";

const {
  virtioQueueEntries: entries,
  virtioHeldMaxBytes: heldMaxBytes,
  virtioPieceMinBytes,
  virtioSpliceBytes,
  virtioAckedSpliceBytes,
} = transportLimits;

/** Places in the memory; behind them the positions in the stream where the pieces end, as a ring. */
const first = 0;
const count = 1;
/** Position in the stream where the oldest piece begins. */
const floor = 2;
const sent = 3;
/** How often a client has left, so far as was seen here, and the position then. */
const leaves = 4;
const leftAt = 5;
/** Bytes of pieces that were lost then, and the part of them by which they were larger than small ones. */
const lost = 6;
const lostOfLarge = 7;
const ends = 8;

export const portQueueNumbers = ends + entries;

export class PortQueue {
  readonly #memory: Float64Array;

  /** `memory`: portQueueNumbers numbers, of one worker. */
  constructor(memory: Float64Array) {
    assert(memory.length === portQueueNumbers, "a port queue has its memory");
    this.#memory = memory;
  }

  /** Nothing is known of what the queue holds. */
  forget(): void {
    this.#memory.fill(0);
    this.#memory[count] = 1;
    this.#memory[leftAt] = -1;
    this.#memory[floor] = (entries - 1) * virtioPieceMinBytes - heldMaxBytes;
  }

  /** Most that the queue can hold of what was sent. */
  get heldBytes(): number {
    return this.#number(sent) - this.#number(floor);
  }

  /** A piece of so many bytes was accepted. */
  add(bytes: number): void {
    if (this.#number(count) === entries) this.#dropOldest();
    const end = this.#number(sent) + bytes;
    this.#memory[sent] = end;
    this.#memory[ends + ((this.#number(first) + this.#number(count)) % entries)] = end;
    this.#memory[count] = this.#number(count) + 1;
  }

  /** The host has taken the stream up to this position. A piece that it took in part is held whole. */
  acknowledge(position: number): void {
    while (this.#number(count) > 0 && this.#firstEnd() <= position) this.#dropOldest();
  }

  /** The host's client has left for the `times`-th time, and had acknowledged the stream up to `position` then. */
  hostLeft(times: number, position: number): void {
    if (this.#number(leaves) === times) return;
    this.#memory[leaves] = times;
    this.acknowledge(position);
    let largest = 0;
    let begin = this.#number(floor);
    for (let index = 0; index < this.#number(count); index++) {
      const end = this.#number(ends + ((this.#number(first) + index) % entries));
      // What was sent to a client before this one was given back, or is lost already.
      if (end > this.#number(leftAt)) largest = Math.max(largest, Math.min(end - begin, virtioAckedSpliceBytes));
      begin = end;
    }
    this.#memory[leftAt] = this.#number(sent);
    this.#memory[lost] = this.#number(lost) + largest;
    this.#memory[lostOfLarge] = this.#number(lostOfLarge) + Math.max(0, largest - virtioSpliceBytes);
  }

  /**
   * `acks`: the host acknowledges. `subBufferBytes`: a piece is no smaller. At most `smallBytes` or `largeBytes`. Always an
   * integer to the compiler, which else compiles its callers once for small pieces and again for those that the room bounds.
   */
  pieceBytes(acks: boolean, subBufferBytes: number, smallBytes: number, largeBytes: number): number {
    const leastBytes = Math.max(virtioPieceMinBytes, subBufferBytes);
    const used = this.#number(count);
    if (used === entries) {
      // All of them sent since the last acknowledgement: this host does not acknowledge. The next is accepted when the oldest
      // is taken.
      const oldestBytes = this.#firstEnd() - this.#number(floor);
      return Math.min(smallBytes, heldMaxBytes - this.#number(lostOfLarge) - this.heldBytes + oldestBytes) | 0;
    }
    const lostBytes = this.#number(acks ? lost : lostOfLarge);
    const roomBytes = heldMaxBytes - lostBytes - this.heldBytes - (entries - 1 - used) * leastBytes;
    return Math.min(acks ? largeBytes : smallBytes, roomBytes) | 0;
  }

  #firstEnd(): number {
    return this.#number(ends + this.#number(first));
  }

  #dropOldest(): void {
    this.#memory[floor] = this.#firstEnd();
    this.#memory[first] = (this.#number(first) + 1) % entries;
    this.#memory[count] = this.#number(count) - 1;
  }

  #number(index: number): number {
    return this.#memory[index] ?? 0;
  }
}
