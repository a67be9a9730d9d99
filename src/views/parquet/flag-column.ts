/** A column of true and false, packed to bits in the file. */
import { Column } from "./column.ts";
import { resized } from "./resized.ts";
import type { Scratch, Values } from "./values.ts";

export class FlagColumn extends Column {
  values = new Uint8Array(0);

  constructor(name: string) {
    super(name, "flag");
  }

  protected override get heldBytes(): number {
    return this.values.byteLength;
  }

  protected override resizeTo(capacity: number): void {
    this.values = resized(this.values, new Uint8Array(capacity));
  }

  encode(rows: number, scratch: Scratch): Values {
    const size = Math.ceil(rows / 8);
    const plain = scratch.bytes(size).subarray(0, size).fill(0);
    let all = 0;
    for (let row = 0; row < rows; row++) {
      const value = this.values[row] ?? 0;
      all |= value === 0 ? 1 : 2;
      plain[row >> 3] = (plain[row >> 3] ?? 0) | (value << (row & 7));
    }
    const [least, greatest] = [Uint8Array.of(all === 2 ? 1 : 0), Uint8Array.of(all === 1 ? 0 : 1)];
    return { count: rows, present: undefined, plain, places: undefined, least, greatest };
  }
}
