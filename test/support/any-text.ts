/** Random texts of any characters: as fast-check's `unit: "binary"`, which takes half a second to be made. */
import * as fc from "fast-check";

const codePoint = fc.oneof(
  fc.integer({ min: 0, max: 0x7f }),
  fc.integer({ min: 0, max: 0xd7ff }),
  fc.integer({ min: 0xe000, max: 0x10ffff }),
);
const unit = codePoint.map((code) => String.fromCodePoint(code));

/** No half of a surrogate pair is among them. */
export function anyText(maxLength?: number): fc.Arbitrary<string> {
  return fc.string({ unit, ...(maxLength === undefined ? {} : { maxLength }) });
}
