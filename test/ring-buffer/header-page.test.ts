import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { parseHeaderPage } from "../../src/ring-buffer/sub-buffer.ts";
import { tracefsLimits } from "../../src/tracefs/limits.ts";
import { inQuickForm } from "../support/quick.ts";

const headerPage64 = `	field: u64 timestamp;	offset:0;	size:8;	signed:0;
	field: local_t commit;	offset:8;	size:8;	signed:1;
	field: int overwrite;	offset:8;	size:1;	signed:1;
	field: char data;	offset:16;	size:4080;	signed:0;
`;
const headerPage32 = headerPage64
  .replace("size:8;	signed:1", "size:4;	signed:1")
  .replace("offset:16;	size:4080", "offset:12;	size:4084");

describe("header_page", () => {
  test("both sizes of the kernel's long are understood", () => {
    expect(parseHeaderPage(headerPage64)).toEqual({
      sizeBytes: 4096,
      headerBytes: 16,
      longBytes: 8,
      littleEndian: true,
    });
    expect(parseHeaderPage(headerPage32)).toEqual({
      sizeBytes: 4096,
      headerBytes: 12,
      longBytes: 4,
      littleEndian: true,
    });
  });

  test("one that makes no sense is refused", () => {
    expect(parseHeaderPage("")).toBeUndefined();
    expect(parseHeaderPage(headerPage64.replace("size:4080", "size:999999999"))).toBeUndefined();
    expect(parseHeaderPage(headerPage64.replace("offset:16", "offset:17"))).toBeUndefined();
    const most = tracefsLimits.subBufferMaxBytes;
    const ofBytes = (bytes: number): string => headerPage64.replace("size:4080", `size:${bytes - 16}`);
    expect(parseHeaderPage(ofBytes(most))?.sizeBytes).toBe(most);
    expect(parseHeaderPage(ofBytes(most + 1))).toBeUndefined();
  });

  test("any other is refused, or is one that a sub-buffer can have", () => {
    const number = fc.oneof(fc.constantFrom(0, 4, 8, 12, 16, 4080, 4084, 65_520), fc.nat(200_000_000));
    const field = fc.tuple(fc.constantFrom("timestamp", "commit", "data", "overwrite"), number, number);
    let [refused, taken] = [0, 0];
    const check = (text: string): void => {
      const layout = parseHeaderPage(text);
      if (layout === undefined) {
        refused++;
        return;
      }
      taken++;
      expect([4, 8]).toContain(layout.longBytes);
      expect(layout.headerBytes).toBe(8 + layout.longBytes);
      expect(layout.sizeBytes).toBeGreaterThan(layout.headerBytes);
      expect(layout.sizeBytes).toBeLessThanOrEqual(tracefsLimits.subBufferMaxBytes);
      expect(text).toContain(`size:${layout.longBytes};`);
    };
    fc.assert(
      fc.property(fc.array(field, { maxLength: 4 }), (fields) => {
        check(
          fields
            .map(([name, offset, size]) => `\tfield: x ${name};\toffset:${offset};\tsize:${size};\tsigned:0;\n`)
            .join(""),
        );
      }),
      { numRuns: inQuickForm(500, 2_000) },
    );
    for (const text of [headerPage64, headerPage32]) {
      for (const number of text.match(/\d+/g) ?? []) check(text.replace(`:${number};`, ":8;"));
      check(text);
    }
    expect(Math.min(refused, taken)).toBeGreaterThan(1);
  });
});
