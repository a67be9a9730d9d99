import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AgentError } from "../../../src/base/errors.ts";
import { FileCursor } from "../../../src/trace-dat/read/cursor.ts";
import { memoryFile, openTraceFile, type TraceFile } from "../../../src/trace-dat/read/file.ts";
import { traceDatLimits } from "../../../src/trace-dat/limits.ts";

const directory = mkdtempSync(join(tmpdir(), "trace-agent-cursor-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Numbers of all sizes, a string and a table, so often that they lie across the ends of what is read ahead. */
const rounds = 3 * Math.ceil(traceDatLimits.tableReadBytes / 64);

function content(): Buffer {
  const parts: Buffer[] = [];
  for (let round = 0; round < rounds; round++) {
    const numbers = Buffer.alloc(15);
    numbers.writeUInt8(round & 0xff);
    numbers.writeUInt16LE(round & 0xffff, 1);
    numbers.writeUInt32LE(round * 7919, 3);
    numbers.writeBigUInt64LE(BigInt(round) * 4_294_967_311n, 7);
    parts.push(numbers, Buffer.from(`string ${round}${"x".repeat(round % 90)}\0`), Buffer.alloc(round % 41, round));
  }
  return Buffer.concat(parts);
}

function readAll(file: TraceFile): void {
  const cursor = new FileCursor(file, true);
  for (let round = 0; round < rounds; round++) {
    expect(cursor.u8()).toBe(round & 0xff);
    expect(cursor.u16()).toBe(round & 0xffff);
    expect(cursor.u32()).toBe(round * 7919);
    expect(cursor.u64()).toBe(round * 4_294_967_311);
    expect(cursor.string(255)).toBe(`string ${round}${"x".repeat(round % 90)}`);
    if (round % 3 === 0) expect(cursor.peek(round % 41)).toBe(String.fromCharCode(round & 0xff).repeat(round % 41));
    const later = round % 2 === 0 ? cursor.laterTable(round % 41) : undefined;
    expect(later?.() ?? cursor.bytes(round % 41)).toEqual(new Uint8Array(round % 41).fill(round));
  }
  expect(cursor.position).toBe(file.size);
  expect(() => cursor.u8()).toThrow(AgentError);
  expect(() => cursor.pass(1)).toThrow(AgentError);
}

test("A file is read in order, across the ends of what is read ahead, as what is in memory is", () => {
  const bytes = content();
  const path = join(directory, "file");
  writeFileSync(path, bytes);
  const file = openTraceFile(path);
  try {
    readAll(file);
  } finally {
    file.close();
  }
  readAll(memoryFile(path, new Uint8Array(bytes)));
}, 300_000);

test("A length beyond 2^53 is damage, and told with its value", () => {
  const bytes = new Uint8Array(8).fill(0xff);
  expect(() => new FileCursor(memoryFile("x.dat", bytes), true).u64()).toThrow("18446744073709551615");
  const largest = Buffer.from([0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
  expect(new FileCursor(memoryFile("x.dat", new Uint8Array(largest)), false).u64()).toBe(Number.MAX_SAFE_INTEGER);
});

test("A table that is read later must lie in the file all the same", () => {
  const path = join(directory, "short");
  writeFileSync(path, "0123456789");
  const file = openTraceFile(path);
  const cursor = new FileCursor(file, true);
  expect(() => cursor.laterTable(11)).toThrow("it ends too early");
  const later = cursor.laterTable(10);
  expect(Buffer.from(later()).toString()).toBe("0123456789");
  file.close();
  // It is read once.
  expect(later()).toHaveLength(10);
});
