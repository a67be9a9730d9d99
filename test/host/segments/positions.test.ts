/** Places of a time in a stream: found by bisection, and the time before them is known without another look at the file. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Places } from "../../../src/host/segments/positions.ts";
import { layoutOf } from "../../../src/ring-buffer/sub-buffer.ts";

const layout = layoutOf(64, 8);
const directory = mkdtempSync(join(tmpdir(), "ta-positions-"));
afterAll(() => rmSync(directory, { recursive: true }));

function streamOf(
  times: readonly bigint[],
  skipped: number,
): { opened: () => number } & Parameters<Places["lastTime"]>[0] {
  const path = join(directory, `${times.length}`);
  const bytes = Buffer.alloc(times.length * layout.sizeBytes);
  for (const [index, time] of times.entries()) bytes.writeBigUInt64LE(time, index * layout.sizeBytes);
  writeFileSync(path, bytes);
  let count = 0;
  const open = (): number => {
    count++;
    return openSync(path, "r");
  };
  const skipBytes = skipped * layout.sizeBytes;
  return { cpu: 0, path, skipBytes, bytes: bytes.length - skipBytes, open, opened: () => count };
}

test("the first sub-buffer after a time is where a look at each finds it, whatever came before", () => {
  for (const count of [0, 1, 2, 3, 17, 64]) {
    const times = Array.from({ length: count }, (_, index) => BigInt(10 * Math.floor(index / 2)));
    for (const skipped of [0, Math.floor(count / 2)]) {
      const places = new Places();
      for (let time = -5n; time <= BigInt(5 * count + 15); time += 5n) {
        const stream = streamOf(times, skipped);
        const wanted = Math.max(
          skipped,
          times.findIndex((one) => one > time) < 0 ? count : times.findIndex((one) => one > time),
        );
        const at = places.firstAfter(stream, layout, time);
        expect(at / layout.sizeBytes).toBe(wanted);
        const opened = stream.opened();
        const part = { ...stream, bytes: at - stream.skipBytes };
        expect(places.lastTime(part, layout)).toBe(wanted === skipped ? undefined : times[wanted - 1]);
        expect(stream.opened()).toBe(opened);
        expect(places.lastTime(stream, layout)).toBe(skipped === count ? undefined : times.at(-1));
      }
    }
  }
});
