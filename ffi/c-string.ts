/** Bytes for libc: NUL-terminated strings on an ArrayBuffer of their own, whose address stays valid. */

export function cString(text: string): Uint8Array<ArrayBuffer> {
  const bytes = Buffer.from(text, "utf8");
  if (bytes.includes(0)) throw new TypeError(`a path holds a NUL byte: ${JSON.stringify(text)}`);
  const view = new Uint8Array(new ArrayBuffer(bytes.length + 1));
  view.set(bytes);
  return view;
}
