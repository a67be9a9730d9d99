/** Bytes for libc: NUL-terminated strings on an ArrayBuffer of their own, whose address stays valid. */

/**
 * The newest strings. The address that ptr() gives keeps nothing alive: in `call(ptr(cString(from)), ptr(cString(to)))` the
 * second string may be made after a garbage collection that frees the first. No call takes as many as these.
 */
const newest: Uint8Array[] = [];
const newestMax = 16;
let made = 0;

export function cString(text: string): Uint8Array<ArrayBuffer> {
  const bytes = Buffer.from(text, "utf8");
  if (bytes.includes(0)) throw new TypeError(`a path holds a NUL byte: ${JSON.stringify(text)}`);
  const view = new Uint8Array(new ArrayBuffer(bytes.length + 1));
  view.set(bytes);
  newest[made++ % newestMax] = view;
  return view;
}
