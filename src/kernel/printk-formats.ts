/** printk_formats: strings of the kernel that events name by their address. */
import { constant } from "./byte-writer.ts";

export class PrintkFormats {
  readonly #texts = new Map<string, Uint8Array>();
  readonly #cache = new Map<number, Uint8Array | undefined>();

  /** Lines of `0xffffffff81234567 : "text\n"`. */
  constructor(text: string) {
    for (const [, address, quoted] of text.matchAll(/^0x([0-9a-f]{1,16}) : "(.*)"$/gm)) {
      const plain = (quoted ?? "").replaceAll(/\\(.)/g, (_, char: string) => ({ n: "\n", t: "\t" })[char] ?? char);
      this.#texts.set(BigInt(`0x${address}`).toString(), constant(plain));
    }
  }

  find(high: number, low: number): Uint8Array | undefined {
    // Nearly all of them lie in the kernel's last 4 GiB.
    if (high === -1 && this.#cache.has(low)) return this.#cache.get(low);
    const text = this.#texts.get(((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)).toString());
    if (high === -1 && this.#cache.size < 65_536) this.#cache.set(low, text);
    return text;
  }
}
