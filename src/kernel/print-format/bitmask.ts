/** Bit masks and CPU masks, as the kernel's longs hold them. */
import type { ByteWriter } from "../byte-writer.ts";

/** Hex, most significant byte first, a comma after every 32 bits. */
export function bitmask(out: ByteWriter, bytes: Uint8Array, offset: number, size: number, littleEndian: boolean): void {
  for (let index = size - 1; index >= 0; index--) {
    out.hexByte(bytes[offset + (littleEndian ? index : size - 1 - index)] ?? 0);
    if (index > 0 && index % 4 === 0) out.byte(0x2c);
  }
}

/** A list: "0-3,8". */
export function cpuList(out: ByteWriter, bytes: Uint8Array, offset: number, size: number, littleEndian: boolean): void {
  const isSet = (bit: number): boolean => {
    const index = bit >> 3;
    return index < size && (((bytes[offset + (littleEndian ? index : size - 1 - index)] ?? 0) >> (bit & 7)) & 1) === 1;
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
