/**
 * The events of several machines and ring buffers in the order of their times: each with an iterator of its own, whose records
 * count from an epoch of its own.
 */
import type { EventIterator } from "./event-iterator.ts";

type Source<Tag> = { iterator: EventIterator; tag: Tag; shift: number; ended: boolean };

export class PartEvents<Tag> {
  /** The one whose record is the event. */
  current: { iterator: EventIterator; tag: Tag } | undefined;
  /** `next` paused, as an iterator does: call it again. */
  paused = false;
  readonly #sources: Source<Tag>[];
  /** Those whose next event is not known yet. */
  #unread: Source<Tag>[];
  /** The current one comes next as long as its events are no later than this. */
  #limit = -Infinity;
  #best: Source<Tag> | undefined;

  constructor(sources: readonly { iterator: EventIterator; tag: Tag }[]) {
    const epochs = sources.map(({ iterator }) => iterator.epoch);
    const first = epochs.reduce((least, epoch) => (epoch < least ? epoch : least), epochs[0] ?? 0n);
    this.#sources = sources.map(({ iterator, tag }) => ({
      iterator,
      tag,
      shift: Number(iterator.epoch - first),
      ended: false,
    }));
    this.#unread = [...this.#sources];
  }

  /** False at the end, and when it paused. */
  next(): boolean {
    const best = this.#best;
    if (best !== undefined) {
      this.#best = undefined;
      if (!best.iterator.next()) {
        if (best.iterator.paused) return this.#pause(best);
        best.ended = true;
      } else if (best.iterator.record.timestamp + best.shift <= this.#limit) {
        this.#best = best;
        return true;
      }
    }
    this.paused = false;
    for (const source of this.#unread.splice(0)) {
      if (source.iterator.next()) continue;
      if (source.iterator.paused) this.#unread.push(source);
      else source.ended = true;
    }
    if (this.#unread.length > 0) return !(this.paused = true);
    return this.#choose();
  }

  #pause(source: Source<Tag>): boolean {
    this.#unread.push(source);
    this.paused = true;
    return false;
  }

  #choose(): boolean {
    let best: Source<Tag> | undefined;
    let at = Infinity;
    let limit = Infinity;
    for (const source of this.#sources) {
      if (source.ended) continue;
      const time = source.iterator.record.timestamp + source.shift;
      if (best === undefined || time < at) {
        limit = at;
        at = time;
        best = source;
      } else if (time < limit) limit = time;
    }
    this.#best = best;
    // At the same time the first of the list comes first; the next call decides.
    this.#limit = best === undefined || best === this.#sources.find(({ ended }) => !ended) ? limit : prior(limit);
    this.current = best;
    return best !== undefined;
  }
}

/** Stamps are whole: what is below `limit`. */
function prior(limit: number): number {
  return limit - 0.5;
}
