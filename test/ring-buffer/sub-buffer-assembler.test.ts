/** Sub-buffers out of reads that cut them anywhere. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { SubBufferAssembler } from "../../src/ring-buffer/sub-buffer-assembler.ts";
import { cpuMsOf } from "../support/timing.ts";

test("gives all whole sub-buffers, in order, however the reads cut them", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), fc.integer({ min: 1, max: 24 }), (reads, size) => {
      const assembler = new SubBufferAssembler(size);
      const got = reads.map((read) => {
        const shared = read.slice();
        const whole = assembler.push(shared);
        shared.fill(0);
        expect(whole.length % size).toBe(0);
        return Buffer.from(whole);
      });
      const sent = Buffer.concat(reads);
      expect(Buffer.concat(got)).toEqual(sent.subarray(0, sent.length - (sent.length % size)));
    }),
  );
});

test("a large sub-buffer that comes byte by byte takes no time that grows with its size", () => {
  const assembler = new SubBufferAssembler(8 * 1024 * 1024);
  const byte = new Uint8Array([1]);
  const ms = cpuMsOf(() => {
    for (let sent = 0; sent < 100_000; sent++) assembler.push(byte);
  });
  expect(ms).toBeLessThan(5_000);
});
