/** A %-format of printf as print fmts use it. */
export type Conversion = {
  /** d i u x X o c s p, or "" for one that is not known. */
  letter: string;
  left: boolean;
  zero: boolean;
  alternate: boolean;
  plus: boolean;
  space: boolean;
  /** A number, or "argument" for `*`. */
  width: number | "argument";
  precision: number | "argument" | undefined;
  /** Bits of the value by the length modifiers: hh 8, h 16, none 32, l those of the kernel's long, ll 64. */
  bits: 8 | 16 | 32 | 64;
  /** What follows %p: "S", "I4", "M". */
  pointer: string;
};

const pattern = /%([-0+# ]*)(\*|\d{1,4})?(?:\.(\*|\d{0,4}))?(hh|h|ll|l|L|q|j|z|Z|t)?([a-zA-Z%])/y;
/** What may follow %p, as libtraceevent knows it (Documentation/core-api/printk-formats.rst knows more). */
const pointerPattern = /[sSfFB]|[mM][RF]?|[iI](?:4[hnbl]?|6c?|S[pfs]*[hnbl]?c?|S[pc]*)|U[LlBb]?|h[CDN]?/y;

/** Splits a format into text and conversions; "%%" becomes text. `longBytes`: of the kernel's long. */
export function splitFormat(format: string, longBytes: 4 | 8): (string | Conversion)[] {
  const parts: (string | Conversion)[] = [];
  let text = "";
  let at = 0;
  while (at < format.length) {
    const percent = format.indexOf("%", at);
    if (percent < 0) {
      text += format.slice(at);
      break;
    }
    text += format.slice(at, percent);
    pattern.lastIndex = percent;
    const found = pattern.exec(format);
    if (found === null || found[5] === "%") {
      text += "%";
      at = found === null ? percent + 1 : pattern.lastIndex;
      continue;
    }
    at = pattern.lastIndex;
    const conversion = makeConversion(found, longBytes);
    if (conversion.letter === "p") {
      pointerPattern.lastIndex = at;
      const kind = pointerPattern.exec(format);
      if (kind !== null) {
        conversion.pointer = kind[0];
        at = pointerPattern.lastIndex;
      }
    }
    if (text !== "") parts.push(text);
    text = "";
    parts.push(conversion);
  }
  if (text !== "") parts.push(text);
  return parts;
}

function makeConversion(
  [, flags = "", width, precision, modifier, letter = ""]: RegExpExecArray,
  longBytes: 4 | 8,
): Conversion {
  const long = longBytes === 4 ? 32 : 64;
  const bits = { hh: 8, h: 16, l: long, ll: 64, L: 64, q: 64, j: 64, z: long, Z: long, t: long } as const;
  return {
    letter: /[diuxXocsp]/.test(letter) ? letter : "",
    left: flags.includes("-"),
    zero: flags.includes("0"),
    alternate: flags.includes("#"),
    plus: flags.includes("+"),
    space: flags.includes(" "),
    width: width === "*" ? "argument" : Number(width ?? 0),
    precision: precision === "*" ? "argument" : precision === undefined ? undefined : Number(precision),
    bits: isModifier(modifier) ? bits[modifier] : 32,
    pointer: "",
  };
}

function isModifier(text: string | undefined): text is "hh" | "h" | "l" | "ll" | "L" | "q" | "j" | "z" | "Z" | "t" {
  return text !== undefined;
}
