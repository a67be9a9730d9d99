/** An array in another size: as much of the old one as fits. */
export function resized<T extends Int32Array | Float64Array | Uint8Array>(old: T, array: T): T {
  array.set(old.length > array.length ? old.subarray(0, array.length) : old);
  return array;
}
