/**
 * printk_formats: strings of the kernel that events refer to by address. Parsed when the first is needed: lines of
 * `0xffffffff81234567 : "text\\n"`.
 */
import { type Constant, constant } from "../base/byte-writer.ts";
import { log } from "../base/log.ts";
import { eventLimits } from "./limits.ts";
import type { Metadata } from "./trace-metadata.ts";

export class PrintkFormats {
  readonly #source: Pick<Metadata, "printkFormats">;
  #texts: Map<string, Constant> | undefined;
  /** By the high half of an address, and by the low one. */
  readonly #found = new Map<number, Map<number, Constant | undefined>>();
  #kept = 0;

  constructor(source: Pick<Metadata, "printkFormats">) {
    this.#source = source;
  }

  find(high: number, low: number): Constant | undefined {
    const found = this.#found.get(high);
    if (found?.has(low) === true) return found.get(low);
    const texts = (this.#texts ??= readTexts(this.#source.printkFormats ?? ""));
    const text = texts.get(((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)).toString(16));
    if (this.#kept < eventLimits.printkFormats) {
      this.#kept++;
      if (found === undefined) this.#found.set(high, new Map([[low, text]]));
      else found.set(low, text);
    }
    return text;
  }
}

function readTexts(text: string): Map<string, Constant> {
  const texts = new Map<string, Constant>();
  for (let at = 0; at < text.length;) {
    const newline = text.indexOf("\n", at);
    const end = newline < 0 ? text.length : newline;
    const line = text.startsWith("0x", at) ? text.slice(at, Math.min(end, at + eventLimits.printkFormatChars)) : "";
    at = end + 1;
    const middle = line.indexOf(' : "');
    const address = line.slice(2, middle);
    if (middle < 0 || line.length < middle + 5 || !line.endsWith('"') || !/^[0-9a-f]{1,16}$/.test(address)) continue;
    if (texts.size >= eventLimits.printkFormats) {
      log.warn(`printk_formats has more than ${eventLimits.printkFormats} strings: the others are not known`);
      break;
    }
    texts.set(BigInt(`0x${address}`).toString(16), constant(unescaped(line.slice(middle + 4, -1))));
  }
  return texts;
}

function unescaped(text: string): string {
  return text.replaceAll(/\\(.)/g, (_, char: string) => ({ n: "\n", t: "\t" })[char] ?? char);
}
