/** Pieces of a ring that are still to be read for a snapshot: those that are removed meanwhile stay on the disk until then. */
import type { RecordedStream } from "../../trace-dat/write/recording.ts";
import type { Positions } from "./positions.ts";

type Piece = { readonly cpu: number; readonly index: number };

export class HeldPieces {
  readonly #remove: (cpu: number, index: number) => void;
  #from = new Map<number, number>();
  #to: Positions = new Map();
  /** That were to be removed. */
  #late: readonly Piece[] = [];

  /** `remove`: from the disk. */
  constructor(remove: (cpu: number, index: number) => void) {
    this.#remove = remove;
  }

  get lateCount(): number {
    return this.#late.length;
  }

  hold(from: Positions, to: Positions): void {
    this.#from = new Map(from);
    this.#to = to;
  }

  /** `stream`: read from its beginning to its end. When a piece of it is opened, those before it were read. */
  readOnce(stream: RecordedStream): RecordedStream {
    const { cpu, pieces } = stream;
    if (pieces === undefined) return stream;
    const open = (index: number): number => {
      this.#from.set(cpu, index * pieces.pieceBytes);
      this.#removeLate((late) => late.cpu === cpu && late.index < index);
      return pieces.open(index);
    };
    return { ...stream, pieces: { ...pieces, open } };
  }

  release(): void {
    this.hold(new Map(), new Map());
    this.#removeLate(() => true);
  }

  /** A piece, which lies in its CPU's stream between these places. */
  remove(cpu: number, index: number, { begin, end }: { begin: number; end: number }): void {
    if (begin < (this.#to.get(cpu) ?? 0) && end > (this.#from.get(cpu) ?? 0))
      this.#late = [...this.#late, { cpu, index }];
    else this.#remove(cpu, index);
  }

  #removeLate(isRead: (late: Piece) => boolean): void {
    for (const { cpu, index } of this.#late.filter(isRead)) this.#remove(cpu, index);
    this.#late = this.#late.filter((late) => !isRead(late));
  }
}
