/** Unpacks zstd of untrusted bytes, to a bound. */

/** Above it the runtime unpacks in pieces, to more than a frame says of itself. */
const atOnceBytesMax = 8 * 1024 * 1024;

/**
 * Throws what node:zlib throws, also beyond `bytesMax` (isBeyondBound). The runtime's own function takes as much memory as a frame says of
 * itself, and refuses one that holds more. node:zlib, which brings streams with it and takes 4 ms to load, is asked where the frame says
 * nothing, too much or something wrong, and where it is not alone.
 */
export function unzstd(packed: Uint8Array<ArrayBuffer>, bytesMax: number): Uint8Array<ArrayBuffer> {
  const bytes = soleFrameBytes(packed);
  if (bytes > 0 && bytes <= Math.min(bytesMax, atOnceBytesMax)) {
    try {
      const { buffer, byteOffset, byteLength } = Bun.zstdDecompressSync(packed);
      if (buffer instanceof ArrayBuffer) return new Uint8Array(buffer, byteOffset, byteLength);
    } catch {
      // node:zlib says what is wrong.
    }
  }
  const { constants, zstdDecompressSync } = process.getBuiltinModule("node:zlib");
  // A bound of 0 is none.
  const bounds = { maxOutputLength: Math.max(1, bytesMax) };
  if (bytes === 0 || bytes > bytesMax) return zstdDecompressSync(packed, bounds);
  // In one piece of memory: pieces that are put together cost as much as the unpacking.
  return zstdDecompressSync(packed, { ...bounds, chunkSize: Math.max(bytes, constants.Z_MIN_CHUNK) });
}

const zstdMagic = 0xfd2fb528;
const dictionaryIdBytes = [0, 1, 2, 4] as const;
const checksumBytes = 4;
/** A frame's header without its size, and that of a block. */
const headBytesMax = 10;
const blockHeadBytes = 3;
const runLengthBlock = 1;

/** What the frame says that it holds (RFC 8878, 3.1.1); 0 where it does not, and where it is not all of `packed`. */
function soleFrameBytes(packed: Uint8Array<ArrayBuffer>): number {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  if (view.byteLength < headBytesMax + 8 || view.getUint32(0, true) !== zstdMagic) return 0;
  const descriptor = view.getUint8(4);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeAt = 5 + (isSingleSegment ? 0 : 1) + (dictionaryIdBytes[descriptor & 3] ?? 0);
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  const end = endOfBlocks(view, sizeAt + sizeBytes) + ((descriptor & 4) === 0 ? 0 : checksumBytes);
  if (end !== view.byteLength || sizeBytes === 0) return 0;
  if (sizeBytes === 1) return view.getUint8(sizeAt);
  if (sizeBytes === 2) return view.getUint16(sizeAt, true) + 256;
  return sizeBytes === 4 ? view.getUint32(sizeAt, true) : Number(view.getBigUint64(sizeAt, true));
}

/** Behind the last block, which may not be there. */
function endOfBlocks(view: DataView, begin: number): number {
  let at = begin;
  while (at + blockHeadBytes <= view.byteLength) {
    const head = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    at += blockHeadBytes + (((head >> 1) & 3) === runLengthBlock ? 1 : head >>> 3);
    if ((head & 1) === 1) return at;
  }
  return Infinity;
}
