/** Small pieces of a file, which are written together: a system call for each costs more than they do. */
import { baseLimits } from "./limits.ts";

/** Of a file that is closed, for the next one. */
let spare: Uint8Array | undefined;

export class SmallPieces {
  #buffer: Uint8Array | undefined;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** False where it is not small, or there is no room: what was taken is to be written first. */
  take(piece: Uint8Array): boolean {
    if (piece.length > baseLimits.smallPieceBytes) return false;
    if (this.#bytes + piece.length > baseLimits.smallPiecesBytes) return false;
    if (this.#buffer === undefined) {
      this.#buffer = spare ?? new Uint8Array(baseLimits.smallPiecesBytes);
      spare = undefined;
    }
    this.#buffer.set(piece, this.#bytes);
    this.#bytes += piece.length;
    return true;
  }

  /** All that was taken, one behind the other; valid until the next one is taken. */
  give(): Uint8Array {
    const all = this.#buffer?.subarray(0, this.#bytes) ?? new Uint8Array(0);
    this.#bytes = 0;
    return all;
  }

  release(): void {
    spare ??= this.#buffer;
    this.#buffer = undefined;
    this.#bytes = 0;
  }
}
