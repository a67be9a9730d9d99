/** The count of lost events behind a sub-buffer's data, at its limits. */
import { expect, test } from "bun:test";
import { layoutOf, SubBufferCursor, unknownLoss } from "../../src/ring-buffer/sub-buffer.ts";

/** Of a sub-buffer with so many bytes of data, and this count behind them. */
function lost(dataBytes: number, count: bigint): number {
  const view = new DataView(new ArrayBuffer(4096 + 8));
  view.setUint32(8, (0xc000_0000 | dataBytes) >>> 0, true);
  view.setBigUint64(16 + dataBytes, count, true);
  const cursor = new SubBufferCursor(layoutOf(4096, 8));
  cursor.reset(view, 0);
  return cursor.lostEvents;
}

test("a count that just fits is read; one that does not is that of nobody", () => {
  expect([lost(4064, 5n), lost(4072, 5n), lost(4076, 5n), lost(4080, 5n)]).toEqual([5, 5, unknownLoss, unknownLoss]);
});

test("a count that no kernel reaches is taken for none, so that sums of counts stay exact", () => {
  expect([lost(8, 1n << 40n), lost(8, (1n << 40n) + 1n), lost(8, (1n << 64n) - 1n)]).toEqual([
    2 ** 40,
    unknownLoss,
    unknownLoss,
  ]);
});
