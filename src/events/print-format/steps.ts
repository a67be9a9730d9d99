/**
 * A print fmt as a list of steps, each a text and what follows it. Most are followed by a field that is written as a number: those
 * are written here, without a function for each, which is a third of what such an event costs.
 */
import type { Constant } from "../../base/byte-writer.ts";
import type { Conversion } from "./conversion.ts";
import type { NumberNode } from "./number-node.ts";
import type { Printer } from "./printer.ts";

const Form = { signed32: 0, signed64: 1, unsigned: 2, hex: 3 } as const;

/** A field in the bytes of an event: where its lower half lies, and its upper half, -1 where that is 0. */
export type PlainNumber = { size: number; lowAt: number; highAt: number; form: number };

export type Step = { text: Constant; number: PlainNumber | undefined; print: Printer | undefined };

/** Undefined where it takes more than to write a field. */
export function plainNumber(conversion: Conversion, value: NumberNode, littleEndian: boolean): PlainNumber | undefined {
  const { letter, bits, width, precision, plus, space, alternate } = conversion;
  const wide = bits === 64;
  const forms: Readonly<Record<string, number>> = {
    d: wide ? Form.signed64 : Form.signed32,
    u: Form.unsigned,
    x: Form.hex,
  };
  const form = forms[letter === "i" ? "d" : letter];
  if (form === undefined || value.place === undefined || bits < 32) return undefined;
  if (width !== 0 || precision !== undefined || plus || space || alternate) return undefined;
  const { offset, size } = value.place;
  if (size < 8) return { size, lowAt: offset, highAt: -1, form };
  const [lowAt, highAt] = littleEndian ? [offset, offset + 4] : [offset + 4, offset];
  return { size: 4, lowAt, highAt: wide ? highAt : -1, form };
}

export function stepsPrinter(steps: readonly Step[], littleEndian: boolean): Printer {
  return (record, out) => {
    const { view, at } = record;
    for (let index = 0; index < steps.length; index++) {
      const step = steps[index];
      // Wide columns: what exceeds the longest line is lost, and need not be made.
      if (step === undefined || out.isFull) return;
      out.put(step.text);
      const { number } = step;
      if (number === undefined) {
        step.print?.(record, out);
        continue;
      }
      const from = at + number.lowAt;
      const { size } = number;
      const low =
        size === 4
          ? view.getInt32(from, littleEndian)
          : size === 1
            ? view.getUint8(from)
            : view.getUint16(from, littleEndian);
      const high = number.highAt < 0 ? 0 : view.getInt32(at + number.highAt, littleEndian);
      const { form } = number;
      if (form === Form.hex) out.hex(high, low);
      else if (form === Form.unsigned) out.unsigned64(high, low);
      else if (form === Form.signed64) out.signed64(high, low);
      else out.signed32(low);
    }
  };
}
