/**
 * Reads JSON of a known shape from bytes, value by value: what is not asked for is skipped without being created,
 * and nesting has a bound. Throws a SyntaxError for invalid JSON.
 */

const [quote, comma, colon, backslash, openList, closeList, openObject, closeObject] = [
  0x22, 0x2c, 0x3a, 0x5c, 0x5b, 0x5d, 0x7b, 0x7d,
];
const depthMax = 16;
/** Characters of a number, true, false or null. */
const wordMax = 40;
/** Texts up to this size share memory. */
const smallBytes = 64 * 1024;

export class JsonScanner {
  readonly #bytes: Buffer;
  readonly #small = Buffer.allocUnsafeSlow(smallBytes);
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Calls `take` before each value, which it must read or skip; false if there is no object here. */
  object(take: (key: string) => void): boolean {
    if (this.#peek() !== openObject) return false;
    this.#at++;
    if (this.#peek() === closeObject) return this.#next(closeObject);
    do {
      const key = this.string();
      if (key === undefined) throw new SyntaxError("a key is missing");
      this.#next(colon);
      take(key);
    } while (this.#accept(comma));
    return this.#next(closeObject);
  }

  /** The string here, if it has at most `bytesMax` bytes as written; undefined, and skipped, for any other value. */
  string(bytesMax = Infinity): string | undefined {
    if (this.#peek() !== quote) {
      this.skip();
      return undefined;
    }
    const start = this.#at;
    const end = this.#endOfString(start + 1);
    if (end - start - 2 > bytesMax) throw new SyntaxError(`a text of ${end - start - 2} bytes`);
    this.#at = end;
    // One string at a time: whole texts are neither kept nor made twice.
    const value: unknown = JSON.parse(this.#bytes.toString("utf8", start, end));
    return typeof value === "string" ? value : undefined;
  }

  /**
   * The same as bytes, each char of the string one; undefined also for a string with other chars. Large ones are made only once.
   * Without `isKept` they are valid until the next is read: 50,000 of them, each with memory of its own, would take 100 MiB.
   */
  latin1(bytesMax = Infinity, isKept = false): Buffer | undefined {
    const start = this.#skipBlanks();
    if (this.#bytes[start] === quote) {
      const end = this.#endOfString(start + 1);
      const plain = end - start - 2 > bytesMax ? undefined : this.#plainBytes(start + 1, end - 1, isKept);
      if (plain !== undefined) {
        this.#at = end;
        return plain;
      }
    }
    const text = this.string(bytesMax);
    return text === undefined || /[^\0-\xff]/.test(text) ? undefined : Buffer.from(text, "latin1");
  }

  /** Undefined, and skipped, for any other value. */
  number(): number | undefined {
    const start = this.#skipBlanks();
    this.skip();
    if (this.#at - start > wordMax) return undefined;
    const value: unknown = JSON.parse(this.#bytes.toString("latin1", start, this.#at));
    return typeof value === "number" ? value : undefined;
  }

  skip(): void {
    let depth = 0;
    do {
      const byte = this.#peek();
      if (byte === quote) this.#at = this.#endOfString(this.#at + 1);
      else if (byte === openList || byte === openObject) {
        if (++depth > depthMax) throw new SyntaxError(`nested deeper than ${depthMax}`);
        this.#at++;
      } else if (byte === closeList || byte === closeObject) {
        depth--;
        this.#at++;
      } else if (depth > 0 && (byte === comma || byte === colon)) this.#at++;
      else this.#word();
    } while (depth > 0);
  }

  /** Nothing may follow the last value. */
  end(): void {
    if (this.#skipBlanks() < this.#bytes.length) throw new SyntaxError("text after the end");
  }

  /** What stands there, where that is ASCII and escaped by single letters at most, as the kernel's lines are. */
  #plainBytes(start: number, end: number, isKept: boolean): Buffer | undefined {
    const written = this.#bytes;
    const bytes = isKept || end - start > smallBytes ? Buffer.allocUnsafeSlow(end - start) : this.#small;
    let size = 0;
    for (let at = start; at < end; at++) {
      let byte = written[at] ?? 0;
      if (byte < 0x20 || byte >= 0x80) return undefined;
      if (byte === backslash) {
        const escaped = escapes[written[++at] ?? 0];
        if (escaped === undefined) return undefined;
        byte = escaped;
      }
      bytes[size++] = byte;
    }
    return bytes.subarray(0, size);
  }

  #word(): void {
    const start = this.#at;
    while (this.#at < this.#bytes.length && isWordPart(this.#bytes[this.#at] ?? 0)) this.#at++;
    if (this.#at === start) throw new SyntaxError("a value is missing");
  }

  /** Offset after the closing quote. */
  #endOfString(from: number): number {
    for (let at = this.#bytes.indexOf(quote, from); at >= 0; at = this.#bytes.indexOf(quote, at + 1)) {
      let slashes = 0;
      while (this.#bytes[at - 1 - slashes] === backslash && at - 1 - slashes >= from) slashes++;
      if (slashes % 2 === 0) return at + 1;
    }
    throw new SyntaxError("a string without an end");
  }

  #peek(): number {
    return this.#bytes[this.#skipBlanks()] ?? -1;
  }

  #accept(byte: number): boolean {
    if (this.#peek() !== byte) return false;
    this.#at++;
    return true;
  }

  #next(byte: number): true {
    if (!this.#accept(byte)) throw new SyntaxError(`"${String.fromCharCode(byte)}" is missing`);
    return true;
  }

  #skipBlanks(): number {
    while (isBlank(this.#bytes[this.#at] ?? 0)) this.#at++;
    return this.#at;
  }
}

const escapes: Readonly<Record<number, number>> = {
  0x22: 0x22,
  0x2f: 0x2f,
  0x5c: 0x5c,
  0x62: 0x08,
  0x66: 0x0c,
  0x6e: 0x0a,
  0x72: 0x0d,
  0x74: 0x09,
};

const isBlank = (byte: number): boolean => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d && byte !== 0x0b);
/** Characters of numbers, true, false, null. */
const isWordPart = (byte: number): boolean =>
  (byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x7a) || [0x2b, 0x2d, 0x2e, 0x45].includes(byte);
