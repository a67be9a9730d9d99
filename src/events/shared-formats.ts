/** Formats of machines with the same kernel are the same thousands of texts: they are held once. */
import type { EventText } from "./trace-metadata.ts";

/** Lists that somebody still uses, each another one. */
const held: WeakRef<readonly EventText[]>[] = [];

/** A list with the same content: the one that is held already, if there is one. */
export function sharedFormats(formats: readonly EventText[]): readonly EventText[] {
  if (formats.length === 0) return formats;
  let kept = 0;
  let equal: readonly EventText[] | undefined;
  for (const reference of held) {
    const other = reference.deref();
    if (other === undefined) continue;
    held[kept++] = reference;
    if (equal === undefined && isEqual(other, formats)) equal = other;
  }
  held.length = kept;
  if (equal !== undefined) return equal;
  held.push(new WeakRef(formats));
  return formats;
}

function isEqual(these: readonly EventText[], those: readonly EventText[]): boolean {
  return (
    these.length === those.length &&
    these.every(({ system, event, text }, index) => {
      const other = those[index];
      return other !== undefined && system === other.system && event === other.event && text === other.text;
    })
  );
}
