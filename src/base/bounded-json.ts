/** Untrusted JSON: nesting and number of values are counted before it is parsed. */

export type JsonBounds = { depthMax: number; valuesMax: number };

const [quote, comma, backslash, openList, closeList, openObject, closeObject] = [
  0x22, 0x2c, 0x5c, 0x5b, 0x5d, 0x7b, 0x7d,
];

/** Throws a SyntaxError for invalid JSON, and for JSON beyond the bounds. */
export function parseBoundedJson(text: string, { depthMax, valuesMax }: JsonBounds): unknown {
  let depth = 0;
  let values = 1;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quote) {
      at = endOfString(text, at + 1);
      continue;
    }
    if (code === openList || code === openObject) {
      values++;
      if (++depth > depthMax) throw new SyntaxError(`nested deeper than ${depthMax}`);
    } else if (code === closeList || code === closeObject) depth--;
    else if (code === comma && ++values > valuesMax) throw new SyntaxError(`more than ${valuesMax} values`);
  }
  return JSON.parse(text);
}

/** Offset of the string's closing quote; the text's end if there is none. */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start); at >= 0; at = text.indexOf('"', at + 1)) {
    let slashes = 0;
    while (text.charCodeAt(at - 1 - slashes) === backslash && at - 1 - slashes >= start) slashes++;
    if (slashes % 2 === 0) return at;
  }
  return text.length;
}
