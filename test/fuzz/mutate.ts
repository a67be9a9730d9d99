/** Changes of bytes and of texts that find what a reader does not expect: each run of a seed gives the same. */
import type { Random } from "../support/random.ts";

/** Numbers at the edges of what fits, and just beyond. */
const edges = [
  0n,
  1n,
  7n,
  8n,
  0x7fn,
  0xffn,
  0x7fffn,
  0xffffn,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  (1n << 53n) - 1n,
  1n << 53n,
  (1n << 63n) - 1n,
  1n << 63n,
  (1n << 64n) - 1n,
];

function setNumber(bytes: Buffer, random: Random): void {
  const size = random.pick([1, 2, 4, 8]);
  if (bytes.length < size) return;
  const at = random.below(bytes.length - size + 1);
  const near = BigInt(random.below(bytes.length * 2));
  const value = BigInt.asUintN(size * 8, random.chance(0.5) ? random.pick(edges) : near);
  for (let byte = 0; byte < size; byte++) bytes[at + byte] = Number((value >> BigInt(byte * 8)) & 0xffn);
}

/** One to eight changes of `source`; `others` are what parts may be taken from. */
export function mutateBytes(source: Uint8Array, others: readonly Uint8Array[], random: Random): Buffer {
  let bytes = Buffer.from(source);
  for (let changes = 1 + random.below(8); changes > 0 && bytes.length > 0; changes--) {
    const at = random.below(bytes.length);
    switch (random.below(8)) {
      case 0:
        bytes[at] = random.below(256);
        break;
      case 1:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
        break;
      case 2:
      case 3:
        setNumber(bytes, random);
        break;
      case 4:
        bytes = bytes.subarray(0, at);
        break;
      case 5: {
        const end = Math.min(bytes.length, at + 1 + random.below(300));
        bytes = Buffer.concat([bytes.subarray(0, end), bytes.subarray(at, end), bytes.subarray(end)]);
        break;
      }
      case 6: {
        const other = random.pick(others);
        const from = random.below(other.length);
        bytes.set(other.subarray(from, from + Math.min(1 + random.below(2_000), bytes.length - at)), at);
        break;
      }
      default:
        bytes.fill(random.pick([0, 0xff, 0x0a, 0x20, 0x5b]), at, Math.min(bytes.length, at + 1 + random.below(64)));
    }
  }
  return bytes;
}

/** Pieces of formats and print fmts. */
const pieces = [
  "REC->a",
  "REC->b",
  "REC->s",
  "(",
  ")",
  "[",
  "]",
  "{",
  "}",
  ",",
  ";",
  "?",
  ":",
  "?:",
  "+",
  "-",
  "*",
  "/3",
  "%7",
  "<<",
  ">>",
  "&&",
  "||",
  "!",
  "~",
  "&",
  "1",
  "0",
  "0xffffffffffffffff",
  "18446744073709551616",
  '"',
  '"x"',
  "'a'",
  "\\",
  "\n",
  "%s",
  "%d",
  "%*d",
  "%4096d",
  "%.*s",
  "%pS",
  "%pI6c",
  "%*ph",
  "%llx",
  "%",
  "(u8)",
  "(unsigned long)",
  "(void *)",
  "sizeof(",
  '__print_flags(REC->a, "|", ',
  "__print_symbolic(REC->a, ",
  '{ 1, "x" }',
  "__print_array(",
  "__print_hex(",
  "__get_str(s)",
  "__get_dynamic_array(s)",
  "__get_dynamic_array_len(s)",
  "__get_bitmask(s)",
  "__get_sockaddr(s)",
  "__builtin_expect(",
  "\tfield:",
  "unsigned long",
  "__data_loc char[]",
  "__rel_loc u32[]",
  "offset:",
  "size:",
  "signed:1;",
  "65535",
  "99999",
  "print fmt: ",
  "name: ",
  "ID: ",
  "\0",
  "\x1b[31m",
  "\xff",
];

/** Pieces put in, repeated, taken out and exchanged; now and then thousands of one. */
export function mutateText(source: string, random: Random): string {
  let text = source;
  for (let changes = 1 + random.below(6); changes > 0; changes--) {
    const at = random.below(text.length + 1);
    const piece = random.pick(pieces);
    const times = random.chance(0.04) ? 1 + random.below(20_000) : random.chance(0.2) ? 1 + random.below(60) : 1;
    switch (random.below(4)) {
      case 0:
      case 1:
        text = text.slice(0, at) + piece.repeat(times) + text.slice(at);
        break;
      case 2:
        text = text.slice(0, at) + text.slice(at + random.below(40));
        break;
      default: {
        const part = text.slice(at, at + 1 + random.below(60));
        text = text.slice(0, at) + part.repeat(Math.min(times, 2_000)) + text.slice(at);
      }
    }
  }
  return text.slice(0, 400_000);
}
