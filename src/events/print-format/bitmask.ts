/** Bit masks and CPU masks, as the kernel's longs hold them. */
import type { ByteWriter } from "../../base/byte-writer.ts";

export type MaskLayout = { littleEndian: boolean; longBytes: 4 | 8 };

/** Where the byte with the bits from `index * 8` on lies: in a big-endian machine from the end of its long. */
function placeOf(index: number, { littleEndian, longBytes }: MaskLayout): number {
  return littleEndian ? index : index - (index % longBytes) + (longBytes - 1 - (index % longBytes));
}

/** Hex, most significant byte first, a comma after every 32 bits. */
export function bitmask(out: ByteWriter, bytes: Uint8Array, offset: number, size: number, layout: MaskLayout): void {
  for (let index = size - 1; index >= 0; index--) {
    out.hexByte(bytes[offset + placeOf(index, layout)] ?? 0);
    if (index > 0 && index % 4 === 0) out.byte(0x2c);
  }
}

/** A list: "0-3,8". */
export function cpuList(out: ByteWriter, bytes: Uint8Array, offset: number, size: number, layout: MaskLayout): void {
  const isSet = (bit: number): boolean => {
    const index = bit >> 3;
    return index < size && (((bytes[offset + placeOf(index, layout)] ?? 0) >> (bit & 7)) & 1) === 1;
  };
  const start = out.length;
  for (let bit = 0; bit < size * 8; bit++) {
    if (!isSet(bit)) continue;
    let last = bit;
    while (isSet(last + 1)) last++;
    if (out.length > start) out.byte(0x2c);
    out.decimal(bit);
    if (last > bit) {
      out.byte(0x2d);
      out.decimal(last);
    }
    bit = last;
  }
}
