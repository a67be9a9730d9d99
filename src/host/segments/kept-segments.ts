/** The files of a session that are whole, by the number of their cut: a recorder of weeks has thousands, and asks many times a second. */
import { MiB } from "../limits.ts";
import type { SessionMachine, SessionRecording } from "../../trace-dat/session/session-file.ts";

export type KeptSegment = { readonly machine: SessionMachine; readonly recording: SessionRecording };

export class KeptSegments {
  readonly #byNumber = new Map<number, KeptSegment[]>();
  #bytes = 0;
  #files = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get files(): number {
    return this.#files;
  }

  /** Those of one cut count once. */
  get cuts(): number {
    return this.#byNumber.size;
  }

  add(machine: SessionMachine, recording: SessionRecording): void {
    const { number, bytes = 0 } = recording;
    if (number === undefined) return;
    const ofCut = this.#byNumber.get(number) ?? [];
    ofCut.push({ machine, recording });
    this.#byNumber.set(number, ofCut);
    this.#bytes += bytes;
    this.#files++;
  }

  /** Those of the oldest cut, which are kept no longer. */
  takeOldest(): readonly KeptSegment[] {
    // They are nearly in order: what a killed recorder left has its old numbers.
    const number = this.#byNumber.keys().reduce((least, one) => Math.min(least, one), Infinity);
    const oldest = this.#byNumber.get(number) ?? [];
    this.#byNumber.delete(number);
    for (const { recording } of oldest) this.#bytes -= recording.bytes ?? 0;
    this.#files -= oldest.length;
    return oldest;
  }
}

/** What --keep does with in any case, as machines told so much: an eighth of it is a margin (SegmentStore), and a quarter each is received and written beside what was told. */
export function leastKeptMiB(toldBytes: number): number {
  return Math.ceil((toldBytes * 8) / 3 / MiB);
}
